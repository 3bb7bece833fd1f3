/** How a pipe ends: what each end is told, and whether what the client sent is still brought to a backend. */
import type { CloseReason, Initiator } from '../observe/vocabulary.ts';
import { type ClosePayload, closeCode } from '../wire/close-codes.ts';

export interface CloseOrder {
  /** Told to the client; 1005 = an empty Close. */
  readonly code: number;
  readonly text?: string;
  readonly reason: CloseReason;
  readonly initiator: Initiator;
  /** Told to the backend. Default 1001 without a reason. */
  readonly backend?: ClosePayload;
  /** Bring what is in the journal to a backend first, at most for closing.lingerMs. Default true. */
  readonly deliver?: boolean;
}

/** For whoever had the client id that a newer one has now. */
export const replacedOrder: CloseOrder = {
  code: closeCode.replaced,
  text: 'replaced by a newer connection',
  reason: 'replaced',
  initiator: 'gateway',
};

export const goingAway: ClosePayload = { code: closeCode.goingAway, reason: '' };

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
