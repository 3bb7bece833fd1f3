/**
 * Every way in which what the two ends see through the gateway may differ from what they see without it, and why. A difference that no row
 * explains fails its case; a row that explains nothing any more fails the suite.
 */
import type { FrameCase, Role } from './case.ts';
import type { Observation } from './player.ts';

export type Field =
  | 'messages'
  | 'pongs'
  | 'closes'
  | 'peerEndedFirst'
  | 'delivered'
  | 'appPings'
  | 'appPongs'
  | 'appClose';
export const fields: readonly Field[] = [
  'messages',
  'pongs',
  'closes',
  'peerEndedFirst',
  'delivered',
  'appPings',
  'appPongs',
  'appClose',
];

export interface Pair {
  readonly role: Role;
  readonly one: FrameCase;
  readonly alone: Observation;
  readonly through: Observation;
}

export interface Difference {
  readonly name: string;
  /** Who plays, where it is seen. */
  readonly roles: readonly Role[];
  readonly fields: readonly Field[];
  readonly why: string;
  explains(pair: Pair): boolean;
}

/** The default of `failover.codes`. */
export const failoverCodes: readonly number[] = [1001, 1006, 1011, 1012, 1013, 1014];

const codes = ({ closes }: Observation): string => closes.map(({ code }) => code).join();
const isPrefix = (part: readonly string[], whole: readonly string[]): boolean =>
  part.length < whole.length && part.every((item, index) => item === whole[index]);

/** The gateway goes on with another backend, and nothing of it reaches the client. */
export function failsOver({ one: { outcome }, role }: Pick<Pair, 'one' | 'role'>): boolean {
  if (outcome.kind === 'closes') return role === 'backend' && failoverCodes.includes(outcome.code);
  if (outcome.kind === 'closed') return role === 'client' && failoverCodes.includes(outcome.code);
  return role === 'backend' && (outcome.kind === 'lost' || (outcome.kind === 'fails' && outcome.code !== 1009));
}

const stricter = (pair: Pair, alone: string): boolean =>
  pair.one.outcome.kind === 'fails' && codes(pair.through) === '1002' && codes(pair.alone) === alone;

const both: readonly Role[] = ['client', 'backend'];

export const differences: readonly Difference[] = [
  {
    name: 'pings end at the gateway',
    roles: both,
    fields: ['appPings'],
    why: 'Control frames belong to one connection. The gateway answers pings; what an application sees are the gateway\u2019s barriers.',
    explains: ({ alone, through }) => through.appPings.every((payload) => !alone.appPings.includes(payload)),
  },
  {
    name: 'pongs end at the gateway',
    roles: both,
    fields: ['appPongs'],
    why: 'Control frames belong to one connection. A pong nobody asked for is allowed and means nothing (5.5.3).',
    explains: ({ through }) => through.appPongs.length === 0,
  },
  {
    name: 'a client that is lost or breaks the protocol is 1001 to its backend',
    roles: ['client'],
    fields: ['appClose'],
    why: 'The backend\u2019s own connection is whole and gets a closing handshake; alone it sees the broken connection itself (1006).',
    explains: ({ role, one, alone, through }) =>
      role === 'client' &&
      (one.outcome.kind === 'lost' || one.outcome.kind === 'fails') &&
      alone.appClose?.code === 1006 &&
      through.appClose?.code === 1001,
  },
  {
    name: 'the gateway says why it fails a connection',
    roles: both,
    fields: ['closes'],
    why: 'Same code; `ws` gives no reason with it (7.1.6: the reason is left to the endpoint).',
    explains: ({ one, alone, through }) =>
      one.outcome.kind === 'fails' &&
      codes(alone) === codes(through) &&
      alone.closes.every(({ reason }) => reason === '') &&
      through.closes.every(({ reason }) => reason !== ''),
  },
  {
    name: 'answers that are on their way when a connection is closed, failed or lost do not arrive',
    roles: both,
    fields: ['messages', 'pongs'],
    why: 'A Close is answered at once, a violation or a FIN ends the connection at once; the application is one connection further away.',
    explains: ({ one, alone, through }) =>
      ['closes', 'fails', 'closed', 'lost'].includes(one.outcome.kind) &&
      (isPrefix(through.messages, alone.messages) || isPrefix(through.pongs, alone.pongs)),
  },
  {
    name: 'a backend that fails is replaced',
    roles: ['backend'],
    fields: ['appClose', 'messages'],
    why: 'Failover: the client is served by the next backend and sees nothing of it.',
    explains: (pair) =>
      failsOver(pair) && pair.role === 'backend' && pair.through.served && pair.through.appClose === null,
  },
  {
    name: 'a backend that asks for it is left',
    roles: ['client'],
    fields: ['closes', 'messages'],
    why: 'A backend\u2019s 1001, 1011 to 1014 mean "take the next one" and do not reach the client (failover.codes). The next one may get again, and answer again, what the first had not acknowledged (at-least-once).',
    explains: (pair) => failsOver(pair) && pair.role === 'client' && codes(pair.through) === '1000',
  },
  {
    name: 'a message of a backend over the limit closes the client',
    roles: ['backend'],
    fields: ['appClose'],
    why: 'Every other backend would send the same: the client gets 1009 in a whole closing handshake; alone it sees its own 1009 as 1006.',
    explains: ({ role, one, alone, through }) =>
      role === 'backend' &&
      one.outcome.kind === 'fails' &&
      one.outcome.code === 1009 &&
      alone.appClose?.code === 1006 &&
      through.appClose?.code === 1009,
  },
];

/** Where `ws` is laxer than the RFC, or judges otherwise. */
export const deviationsOfWs: readonly Difference[] = [
  {
    name: 'lengths that are not in their shortest form',
    roles: both,
    fields: ['closes', 'messages', 'delivered', 'pongs', 'appClose', 'peerEndedFirst', 'appPings', 'appPongs'],
    why: '5.2: the minimal number of bytes MUST be used. `ws` reads them, the gateway fails the connection.',
    explains: (pair) => pair.one.name.includes('not in its shortest form') && stricter(pair, '1000'),
  },
  {
    name: 'a 64-bit length with its highest bit set',
    roles: both,
    fields: ['closes'],
    why: '5.2: the most significant bit MUST be 0, a protocol error. `ws` calls it a message that is too big (1009).',
    explains: (pair) => pair.one.name.includes('highest bit') && stricter(pair, '1009'),
  },
];
