/**
 * Connections without sockets: what one end writes reaches the other in a microtask, never inside the write. `settle` waits until nothing
 * moves any more.
 */
import { Duplex } from 'node:stream';
import { setImmediate } from 'node:timers/promises';

let activity = 0;

/** Something moves that no socket knows of: `settle` waits on. */
export function stir(): void {
  activity += 1;
}

/** Until the streams and promises of all sockets are quiet; time does not move. */
export async function settle(): Promise<void> {
  for (let quiet = 0, seen = activity; quiet < 2; quiet = seen === activity ? quiet + 1 : 0) {
    seen = activity;
    await setImmediate();
  }
}

/** What sits at the far end of a FakeSocket. */
export interface Peer {
  /** Bytes from the gateway. */
  bytes(chunk: Buffer): void;
  /** FIN from the gateway. */
  fin(): void;
  /** The connection is gone. */
  gone(): void;
}

/** What the kernels on the way take while the peer reads nothing, bytes. */
const kernelBytes = 100_000;

/** The gateway's end of a connection. */
export class FakeSocket extends Duplex {
  /** False: the peer reads nothing; the kernels' buffers fill. */
  #taking = true;
  #onWay: Buffer[] = [];
  #onWayBytes = 0;
  #blocked: (() => void) | null = null;
  #inbound: (Buffer | null)[] = [];
  #wanted = false;
  #scheduled = false;
  readonly #peer: Peer;
  readonly #given: (chunk: Buffer) => void;

  /** `given` hears every write at once, also what waits in the stream's own buffer. */
  constructor(peer: Peer, given: (chunk: Buffer) => void = () => {}) {
    super({ allowHalfOpen: true });
    this.#peer = peer;
    this.#given = given;
    this.on('error', () => {});
  }

  override write(chunk: unknown, ...rest: unknown[]): boolean {
    activity += 1;
    this.#given(chunk as Buffer);
    return Reflect.apply(super.write, this, [chunk, ...rest]) as boolean;
  }

  /** Bytes from the peer. */
  deliver(bytes: Buffer): void {
    if (this.destroyed || bytes.length === 0) return;
    this.#inbound.push(Buffer.from(bytes));
    this.#pump();
  }

  deliverFin(): void {
    if (this.destroyed) return;
    this.#inbound.push(null);
    this.#pump();
  }

  /** A reset: what is on the way in either direction is lost. */
  reset(): void {
    activity += 1;
    this.destroy(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }));
  }

  /** Whether the peer reads what we write. */
  peerReads(on: boolean): void {
    activity += 1;
    this.#taking = on;
    if (on) this.#schedule();
  }

  override _read(): void {
    this.#wanted = true;
    this.#pump();
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    activity += 1;
    this.#onWay.push(chunk);
    this.#onWayBytes += chunk.length;
    if (this.#onWayBytes > kernelBytes && !this.#taking) this.#blocked = done;
    else done();
    if (this.#taking) this.#schedule();
  }

  override _final(done: () => void): void {
    activity += 1;
    queueMicrotask(() => {
      this.#carry();
      this.#peer.fin();
    });
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    activity += 1;
    this.#inbound = [];
    // What was written before a FIN or a destroy of ours still arrives, unless the peer reset the connection.
    if (error === null) this.#carry();
    this.#onWay = [];
    this.#peer.gone();
    done(error);
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#carry();
    });
  }

  #carry(): void {
    if (!this.#taking || this.#onWay.length === 0) return;
    activity += 1;
    const chunks = this.#onWay;
    this.#onWay = [];
    this.#onWayBytes = 0;
    for (const chunk of chunks) this.#peer.bytes(chunk);
    const done = this.#blocked;
    this.#blocked = null;
    done?.();
  }

  #pump(): void {
    while (this.#wanted && this.#inbound.length > 0) {
      activity += 1;
      this.#wanted = this.push(this.#inbound.shift());
    }
  }
}
