/** What a host can still do through the ws object of a connection that was taken over. */
import type { Duplex } from 'node:stream';
import type { TakenOver } from '../src/link/accept.ts';
import type { Greeting } from '../src/pipe/greeting.ts';
import type { PersistentPipe } from '../src/pipe/persistent-pipe.ts';
import { closeCode } from '../src/wire/close-codes.ts';

/** It acts on the pipe while the client is on this connection: it may have come back on another one since. */
export class ClientConnection implements TakenOver {
  readonly #socket: Duplex;
  readonly #held: PersistentPipe | null;
  readonly #greeting: Greeting | null;

  /** Of a pipe, or of a client that has not said yet which one. */
  constructor(socket: Duplex, pipe: PersistentPipe | null, greeting: Greeting | null) {
    this.#socket = socket;
    this.#held = pipe;
    this.#greeting = greeting;
  }

  close(code: number, text: string): void {
    if (this.#over) return;
    const pipe = this.#pipe;
    if (pipe === null) this.#greeting?.close(code, text);
    else pipe.close({ code, text, reason: 'shutdown', initiator: 'gateway' });
  }

  terminate(): void {
    if (this.#over) return void this.#socket.destroy();
    const pipe = this.#pipe;
    if (pipe === null) this.#greeting?.close(closeCode.goingAway, '');
    else pipe.terminate({ code: closeCode.abnormal, reason: 'shutdown', initiator: 'gateway' });
  }

  get #over(): boolean {
    return this.#socket.writableEnded || this.#socket.destroyed;
  }

  get #pipe(): PersistentPipe | null {
    return this.#held ?? this.#greeting?.pipe ?? null;
  }
}
