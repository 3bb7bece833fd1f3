/**
 * A client between its upgrade request and the handler. A reset or FIN in a hook: the handler never runs, and no other hook does, so its
 * socket is what tells.
 */
import type { Duplex } from 'node:stream';
import type { Slot } from '../src/limits/occupancy.ts';
import type { PersistentPipe } from '../src/pipe/persistent-pipe.ts';
import type { PrincipalWatch } from '../src/pipe/principal-closures.ts';
import { isGone } from './upgrade-request.ts';

export class Arrival {
  readonly slot: Slot;
  /** Whose clients were closed meanwhile. */
  readonly watch: PrincipalWatch;
  /** The pipe it has already; null = none yet. */
  pipe: PersistentPipe | null = null;
  readonly #socket: Duplex;

  constructor(socket: Duplex, slot: Slot, watch: PrincipalWatch) {
    this.slot = slot;
    this.watch = watch;
    this.#socket = socket;
    socket.once('close', this.#left).once('end', this.#left);
  }

  get isGone(): boolean {
    return isGone(this.#socket);
  }

  /** The handler has taken over. */
  done(): void {
    this.#socket.off('close', this.#left).off('end', this.#left);
    this.watch.end();
  }

  /** It went away, or is turned away. Idempotent. */
  leave(): void {
    this.slot.leave();
    this.watch.end();
    this.pipe?.abandon();
  }

  readonly #left = (): void => this.leave();
}
