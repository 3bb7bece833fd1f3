/**
 * Upgrade requests, each with a turn of its own: those that come together are not worked through together, with all who are connected waiting.
 * It stands before @fastify/websocket's listener, so that no hook of the host and nothing of Fastify runs before the turn.
 */
import type { EventEmitter } from 'node:events';
import type { IncomingMessage, Server } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type UpgradeListener, upgradeListeners } from './accept.ts';
import { hasAsked } from './connections.ts';
import { OpenAnswers } from './open-answers.ts';
import { turns } from './turns.ts';
import { asksForHttp2, serveWithoutUpgrade } from './without-upgrade.ts';

/** `written`: bytes its connection had been sent when it came. */
type Upgrade = [...Parameters<UpgradeListener>, written: number];

export interface UpgradeQueueSettings {
  /** How many may wait for their turn. */
  readonly most: number;
  /** One more came; it is not waited for. */
  readonly tooMany: (socket: Duplex) => void;
  /** Most time in which a client takes nothing of an answer, milliseconds. */
  readonly answerMs: number;
  /** One took nothing for so long; it is dropped next. */
  readonly notTaken: (socket: Socket) => void;
}

/**
 * Once for each server, whose upgrades it has from then on; with two gateways on one server the first one's settings count.
 * @returns its answers that nobody else looks after, to end and dispose of with the server; null = it was done before.
 */
export function queueUpgrades(
  server: EventEmitter,
  { most, tooMany, answerMs, notTaken }: UpgradeQueueSettings,
): OpenAnswers | null {
  const [listener] = upgradeListeners(server);
  // What stands in its place already is found by its name too, and is not it.
  if (listener === undefined || !server.rawListeners('upgrade').includes(listener)) return null;
  const answers = new OpenAnswers(answerMs, notTaken);
  let waiting = 0;
  const left = (): void => {
    waiting -= 1;
  };
  const answer = ([request, socket, head, written]: Upgrade): void => {
    if (upgradeListeners(server).includes(listener)) {
      listener.call(server, request, socket, head);
      answers.endAfter(socket);
    } else if (bytesWritten(socket) === written) {
      // The host's closing has taken the listener away since, and would wait for it; one of the host's own has not answered it.
      socket.destroy();
    }
  };
  const wait = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    if (answers.before(socket, () => wait(request, socket, head))) return;
    // With two listeners they are ours.
    if (asksForHttp2(server, request) && server.listenerCount('upgrade') === 2) {
      serveWithoutUpgrade(server as Server, request, socket, head);
      return;
    }
    if (waiting >= most) {
      tooMany(socket.on('error', drop));
      return;
    }
    waiting += 1;
    turns.waitToBegin(new WaitingUpgrade([request, socket, head, bytesWritten(socket)], answer, left));
  };
  const came = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    hasAsked(socket);
    wait(request, socket, head);
  };
  server.off('upgrade', listener);
  // As node does for once(): whoever looks for the listener, or takes it away, finds it.
  server.prependListener('upgrade', Object.assign(came, { listener }));
  server.on('upgrade', (_request: IncomingMessage, socket: Duplex) => {
    // The host's closing has taken the other away; node leaves the socket to us as the last one.
    if (server.listenerCount('upgrade') > 1) return;
    if (!answers.before(socket, () => socket.destroy())) socket.destroy();
  });
  return answers;
}

/** One that waits; one that went away lets go of all at once, and has its turn for nothing. */
class WaitingUpgrade {
  readonly #answer: (upgrade: Upgrade) => void;
  readonly #left: () => void;
  #upgrade: Upgrade | null;

  constructor(upgrade: Upgrade, answer: (upgrade: Upgrade) => void, left: () => void) {
    this.#upgrade = upgrade;
    this.#answer = answer;
    this.#left = left;
    // Node has taken its own listener for errors away; what was one is seen as the end.
    upgrade[1].on('error', drop).on('close', this.#leave);
  }

  takeTurn(): void {
    const upgrade = this.#leave();
    if (upgrade === null) return;
    this.#answer(upgrade);
    upgrade[1].off('error', drop);
  }

  readonly #leave = (): Upgrade | null => {
    const upgrade = this.#upgrade;
    this.#upgrade = null;
    if (upgrade === null) return null;
    upgrade[1].off('close', this.#leave);
    this.#left();
    return upgrade;
  };
}

/** 0 = it is none of node's sockets: the host made it itself, with injectWS(). */
function bytesWritten(socket: Duplex): number {
  return socket instanceof Socket ? socket.bytesWritten : 0;
}

/** A TLS socket that is attacked says so, and leaves its end to whoever listens. */
function drop(this: Duplex): void {
  this.destroy();
}
