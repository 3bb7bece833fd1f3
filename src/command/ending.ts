/** The end of the command: in good order at the first signal, at once at the second. */
import { closeSync, openSync } from 'node:fs';
import closeWithGrace from 'close-with-grace';
import type { App } from '../app.ts';
import { endingTimeMs } from '../config.ts';
import { startedAtTerminal, takeOver } from './early-signals.ts';
import type { LogOutput } from './log-output.ts';

/** With a listener in JavaScript the processor would meet the same fault again and again, for ever: let the process die, and be started anew. */
const faults = ['SIGILL', 'SIGBUS', 'SIGFPE', 'SIGSEGV'] as const;
/** One Ctrl-C under npm arrives twice: from the terminal and from npm. */
const sameKeypressMs = 250;

export interface EndLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface EndSettings {
  /** What is left to do when the last client has gone, before HTTP ends. */
  readonly lastly?: () => Promise<void>;
  /** Signals that somebody else deals with, besides those of onEndSignals and onHangup. */
  readonly skip?: readonly ('SIGINT' | 'SIGHUP' | 'SIGUSR2')[];
}

/** @returns what ends this process: the first call closes the clients and then everything else, within a limit. */
export function endOf(app: App, output: LogOutput, settings: EndSettings = {}): () => void {
  const { lastly = async () => {}, skip = [] } = settings;
  const grace = closeWithGrace(
    {
      delay: endingTimeMs(app.pipeManager.options),
      skip: ['SIGINT', 'SIGTERM', 'SIGHUP', ...faults, ...skip],
      logger: false,
      onTimeout: (ms) => app.log.error(`not everything was closed within ${ms} ms: the process ends now`),
      onSecondError: (err) => app.log.fatal({ err }, 'a second error while ending'),
    },
    async ({ err, signal }) => {
      if (err !== undefined) app.log.fatal({ err }, 'an error that nothing caught: the gateway ends');
      else if (signal !== undefined) app.log.info({ signal }, 'ending');
      // First the clients, while HTTP still answers: readyz and new upgrades get their 503 from us.
      await app.pipeManager.close();
      await lastly();
      await app.close();
      app.log.info('ended');
      await output.settled();
    },
  );
  return () => grace.close();
}

export interface EndSignalsSettings {
  readonly log: EndLog;
  /** At the first signal. */
  readonly begin: () => void;
  /** At the second. */
  readonly atOnce: () => never;
}

/** @returns what a signal does; it hears SIGINT and SIGTERM. */
export function onEndSignals({ log, begin, atOnce }: EndSignalsSettings): (signal: NodeJS.Signals) => void {
  let first: { readonly signal: string; readonly at: number } | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    const now = performance.now();
    if (first === undefined) {
      first = { signal, at: now };
      log.info({ signal }, `${signal}: closing the clients; a second signal ends the process at once`);
      begin();
      return;
    }
    if (signal === 'SIGINT' && first.signal === 'SIGINT' && now - first.at < sameKeypressMs) return;
    log.warn({ signal }, 'a second signal: the process ends now');
    atOnce();
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  return onSignal;
}

/** SIGHUP: `reload`; but where it says that the terminal is gone, nobody is left to end the process: `end`. */
export function onHangup(reload: () => void, end: (signal: NodeJS.Signals) => void): void {
  let ending = false;
  takeOver('SIGHUP', (signal) => {
    // It comes twice, as to the shell and to the group in front.
    if (ending) return;
    ending = lostItsTerminal();
    if (!ending) return reload();
    endWithoutTerminal();
    end(signal);
  });
}

/** After the log's own listener: what node does then asserts that it can restore the terminal, and spins where it cannot. */
export function endWithoutTerminal(): void {
  process.once('exit', () => process.kill(process.pid, 'SIGKILL'));
}

/** SIGHUP also comes when the terminal that the command was started at is closed. */
function lostItsTerminal(): boolean {
  if (!startedAtTerminal) return false;
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return false;
  } catch {
    return true;
  }
}
