/**
 * Principals whose clients are closed, told to those who wait for a client meanwhile: what `authenticate` said of it, or is about to say, it
 * found out before.
 */
import type { Principal } from '../access/principal.ts';
import type { CloseOrder } from './close-orders.ts';

export class PrincipalClosures {
  readonly #watches = new Set<PrincipalWatch>();

  /** Watches that have not been ended. */
  get size(): number {
    return this.#watches.size;
  }

  /** From now on; to be ended. */
  watch(): PrincipalWatch {
    const watch = new PrincipalWatch((ended) => this.#watches.delete(ended));
    this.#watches.add(watch);
    return watch;
  }

  /** All clients of this principal are closed. */
  close(id: string, order: CloseOrder): void {
    for (const watch of this.#watches) watch.closed(id, order);
  }
}

export class PrincipalWatch {
  readonly #ended: (watch: PrincipalWatch) => void;
  /** By id of the principal. */
  #orders: Map<string, CloseOrder> | null = null;

  constructor(ended: (watch: PrincipalWatch) => void) {
    this.#ended = ended;
  }

  closed(id: string, order: CloseOrder): void {
    this.#orders ??= new Map();
    this.#orders.set(id, order);
  }

  /** How the clients of this principal were closed while it was watched; null = they were not. */
  orderFor(principal: Principal | null): CloseOrder | null {
    return (principal && this.#orders?.get(principal.id)) ?? null;
  }

  /** It hears of no more. Idempotent. */
  end(): void {
    this.#ended(this);
  }
}
