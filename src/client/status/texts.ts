/**
 * What the element says. In each text: `{seconds}` until the next attempt, `{attempt}`, `{maxAttempts}`, `{reason}`, and `{attempts}` = a space and
 * `counted` or `uncounted`, or nothing where attempts are not counted.
 */
export interface StatusTexts {
  readonly connecting: string;
  /** No connection yet: waiting for the next attempt. */
  readonly notYet: string;
  readonly open: string;
  /** Connected to the gateway, which looks for a backend. */
  readonly interrupted: string;
  /** The connection was lost: waiting for the next attempt. */
  readonly waiting: string;
  /** The next attempt is being made. */
  readonly trying: string;
  readonly offline: string;
  /** The gateway said that it restarts. */
  readonly restarting: string;
  readonly failed: string;
  readonly closed: string;
  /** The server refused this client, or ended the session. */
  readonly ended: string;
  /** Another connection has taken this one's place. */
  readonly elsewhere: string;
  readonly counted: string;
  /** Where there is no last attempt. */
  readonly uncounted: string;
  readonly button: string;
}

export const english: StatusTexts = {
  connecting: 'Connecting …',
  notYet: 'Cannot connect. Trying again in {seconds}\u00a0s{attempts}',
  open: 'Connected',
  interrupted: 'Connected. Waiting for the server, your messages are kept …',
  waiting: 'Connection lost. Trying again in {seconds}\u00a0s{attempts}',
  trying: 'Connection lost. Trying again now{attempts} …',
  offline: 'You are offline. Waiting for the network …',
  restarting: 'The server is restarting. Trying again in {seconds}\u00a0s',
  failed: 'Could not connect after {maxAttempts} attempts. Please check your network and try again.',
  closed: 'Disconnected',
  ended: 'The server has ended the connection.',
  elsewhere: 'You are connected from another window or device. This one is disconnected.',
  counted: '(attempt {attempt} of {maxAttempts})',
  uncounted: '(attempt {attempt})',
  button: 'Reconnect now',
};
