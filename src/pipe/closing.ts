/** The end of one pipe: what its backend is told, and whether what the client sent is still brought to one. */
import type { ClosePayload } from '../wire/close-codes.ts';
import { type CloseOrder, goingAway } from './close-orders.ts';

export class Closing {
  readonly order: CloseOrder;
  readonly backend: ClosePayload;
  #lingering = false;

  constructor(order: CloseOrder) {
    this.order = order;
    this.backend = order.backend ?? goingAway;
  }

  /** What the client sent is still being brought to a backend. */
  get lingering(): boolean {
    return this.#lingering;
  }

  /** A lost backend is replaced, to deliver the rest there. The end of the gateway does not wait for backends to turn up. */
  get takesBackend(): boolean {
    return this.#lingering && this.order.reason !== 'shutdown';
  }

  /**
   * @param undelivered something of the client is not known to have arrived.
   * @param attached there is a backend now.
   */
  linger(undelivered: boolean, attached: boolean): boolean {
    const { deliver = true, reason } = this.order;
    this.#lingering = deliver && undelivered && (attached || reason !== 'shutdown');
    return this.#lingering;
  }

  /** @returns whether it was lingering. */
  stopLingering(): boolean {
    const before = this.#lingering;
    this.#lingering = false;
    return before;
  }
}
