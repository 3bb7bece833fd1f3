/**
 * Answers that node no longer looks after. With an upgrade it lets go of the connection: its time-outs do not hold any more, the end of the
 * server does not know of it, and nobody tells an answer to go on. So what is on its way there, to requests that came before the upgrade, or in
 * place of 101, is watched over here.
 */
import type { ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** While it answers. */
export type AnsweringSocket = Duplex & { _httpMessage?: ServerResponse | null };

export class OpenAnswers {
  readonly #limitMs: number;
  readonly #notTaken: (socket: Socket) => void;
  readonly #sockets = new Set<Socket>();
  #timer: NodeJS.Timeout | undefined;
  #over = false;

  /**
   * @param limitMs how long a peer may take nothing of an answer, and all of them may last once the server ends, milliseconds.
   * @param notTaken a peer did so, and is dropped next.
   */
  constructor(limitMs: number, notTaken: (socket: Socket) => void) {
    this.#limitMs = limitMs;
    this.#notTaken = notTaken;
  }

  /**
   * For an upgrade that has come: `then` is called when all requests before it on its connection are answered, unless that was the end of it.
   * @returns false = they are already, and `then` is not called.
   */
  before(socket: Duplex, then: () => void): boolean {
    if (!(socket instanceof Socket) || openAnswer(socket) === null) return false;
    const letGo = this.#hold(socket);
    const next = (): void => {
      const response = openAnswer(socket);
      // After node's own listener, which begins with the answer that is next.
      if (response !== null) return void response.once('finish', next);
      letGo();
      if (socket.writable) then();
    };
    next();
    return true;
  }

  /** For an upgrade that was begun with: what is answered in place of 101 is the last thing on its connection. */
  endAfter(socket: Duplex): void {
    const response = openAnswer(socket);
    if (response === null) return;
    if (!(socket instanceof Socket)) {
      response.once('finish', () => socket.destroy());
      return;
    }
    let held = false;
    const hold = (): void => {
      if (!held) this.#hold(socket);
      held = true;
    };
    // Whatever writes more than is taken at once waits so; 101 is not written by the response.
    const listens = (event: string | symbol): void => {
      if (event === 'drain') hold();
    };
    if (response.listenerCount('drain') > 0) hold();
    else response.on('newListener', listens);
    const end = (): void => {
      socket.destroySoon();
      if (socket.writableLength > 0) hold();
    };
    // From then on it is the peer alone that keeps it.
    if (response.writableEnded) end();
    else response.once('prefinish', end);
  }

  /** The server ends. What is only not taken by its peer is dropped, as node does; what is not ready yet has until the limit. */
  end(): void {
    for (const socket of this.#sockets) if (openAnswer(socket)?.writableEnded !== false) socket.destroy();
    this.#timer = setTimeout(() => {
      this.#over = true;
      for (const socket of this.#sockets) socket.destroy();
    }, this.#limitMs);
  }

  /** The server has ended. */
  dispose(): void {
    clearTimeout(this.#timer);
  }

  #hold(socket: Socket): () => void {
    const watch = (): unknown => socket.setTimeout(this.#limitMs);
    const idle = (): void => {
      // With nothing to be taken it is the answer that takes its time, not the peer.
      if (socket.writableLength === 0) return void watch();
      // Once destroyed it has no address.
      this.#notTaken(socket);
      socket.destroy();
    };
    const letGo = (): void => {
      this.#sockets.delete(socket);
      socket.off('error', drop).off('drain', goOn).off('timeout', idle).off('close', letGo).setTimeout(0);
    };
    this.#sockets.add(socket.on('error', drop).on('drain', goOn).on('timeout', idle).on('close', letGo));
    watch();
    if (this.#over) socket.destroy();
    return letGo;
  }
}

function openAnswer(socket: AnsweringSocket): ServerResponse | null {
  return socket._httpMessage ?? null;
}

/** Node's own listener does so while the connection is its own. */
function goOn(this: AnsweringSocket): void {
  if (this._httpMessage?.writableNeedDrain === true) this._httpMessage.emit('drain');
}

/** A TLS socket that is attacked says so, and leaves its end to whoever listens. */
function drop(this: Duplex): void {
  this.destroy();
}
