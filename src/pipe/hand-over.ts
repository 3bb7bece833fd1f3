/**
 * A resumable pipe leaves for another gateway. Whoever orders it has fenced it: from then on it writes to neither end. Its backend is read
 * out as after a migration (quiet for drain.quietMs, at most drain.tailMs, then Close 1001 and what comes before the answer); what is left
 * is counts, what the client has not acknowledged, and who may come back. What the client sent and no backend acknowledged stays behind:
 * the client has it, and sends it again.
 */
import type { TimerOwner, TimerWheel, WheelTimer } from '../heartbeat/wheel.ts';
import type { ResolvedOptions } from '../options.ts';
import type { BackendSide } from './backend-side.ts';
import type { ClientSide } from './client-side.ts';
import { goingAway } from './close-orders.ts';
import type { JournalState } from './journal.ts';
import type { PipeParts } from './pipe-parts.ts';
import type { ResumeRights } from './resume-session.ts';

export interface HandOverOrder {
  /** Told to a client that is still there. */
  readonly code: number;
  readonly text: string;
  /** Most bytes of messages for the client that are taken along. What no more fits into ends the pipe: better all than a part. */
  readonly maxBytes: number;
}

/** All that another gateway needs to go on with a pipe. */
export interface HandedOver {
  readonly pipeId: string;
  readonly clientId: string;
  /** Milliseconds since 1970. */
  readonly openedAt: number;
  /** Subprotocol agreed with the client; null while it is open which. */
  readonly protocol: string | null;
  readonly rights: ResumeRights;
  /** Where it was attached last; null = nowhere yet. */
  readonly backendId: string | null;
  readonly generation: number;
  /** What that backend left for its successor. */
  readonly ticket: string | null;
  /** Messages of the client that have arrived at a backend, and those that may have. */
  readonly upstream: Omit<JournalState, 'runs'>;
  /** Messages for the client. */
  readonly downstream: JournalState;
}

export interface HandOverOwner {
  readonly openedAt: number;
  readonly clientSide: ClientSide;
  readonly backendSide: BackendSide;
  /** It can go on elsewhere, and is over here. */
  handedOver(): void;
}

type HandOverContext = { readonly wheel: TimerWheel; readonly options: ResolvedOptions };

export class HandOver implements TimerOwner {
  /** Null where it came to nothing: the pipe was closed meanwhile. */
  readonly result: Promise<HandedOver | null>;
  readonly order: HandOverOrder;
  readonly #owner: HandOverOwner;
  readonly #parts: PipeParts;
  readonly #context: HandOverContext;
  readonly #quiet: WheelTimer;
  readonly #limit: WheelTimer;
  #settle: (result: HandedOver | null) => void = () => {};
  #readingSince: number | null = null;
  #over = false;

  constructor(owner: HandOverOwner, parts: PipeParts, context: HandOverContext, order: HandOverOrder) {
    this.#owner = owner;
    this.#parts = parts;
    this.#context = context;
    this.order = order;
    this.#quiet = context.wheel.timer(this, 'quiet');
    this.#limit = context.wheel.timer(this, 'limit');
    this.result = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  /** The state of the pipe is set. */
  begin(): void {
    const { clientSide, backendSide } = this.#owner;
    const { upstream, downstream } = this.#parts;
    clientSide.leave(this.order.code, this.order.text);
    upstream.hold();
    // So that the count of what has arrived is the latest.
    if (upstream.journal.unacknowledgedBytes > 0) upstream.sendBarrier();
    backendSide.settle();
    downstream.readOut(this.order.maxBytes);
    this.look();
  }

  /** A link to a backend has ended, or will not come. */
  look(): void {
    if (this.#over) return;
    const { backendSide } = this.#owner;
    if (backendSide.gone) {
      this.#finish();
    } else if (!backendSide.migrating && this.#readingSince === null) {
      // The old link of a migration was read first.
      const { quietMs, tailMs } = this.#context.options.drain;
      this.#readingSince = this.#context.wheel.fairNow();
      this.#quiet.start(quietMs);
      this.#limit.start(tailMs);
    }
  }

  /** The pipe closes for another reason. Idempotent. */
  abandon(): void {
    if (this.#over) return;
    this.#end();
    this.#settle(null);
  }

  timerFired(name: string): void {
    const { backendSide } = this.#owner;
    const quietSince = Math.max(backendSide.present?.link.receivedAt ?? 0, this.#readingSince ?? 0);
    const leftMs = this.#context.options.drain.quietMs - (this.#context.wheel.fairNow() - quietSince);
    if (name === 'quiet' && leftMs > 0) {
      this.#quiet.start(leftMs);
      return;
    }
    this.#quiet.stop();
    this.#limit.stop();
    backendSide.leave(goingAway);
  }

  #finish(): void {
    this.#end();
    const state = this.#state();
    this.#owner.handedOver();
    this.#settle(state);
  }

  #end(): void {
    this.#over = true;
    this.#quiet.stop();
    this.#limit.stop();
  }

  #state(): HandedOver {
    const { identity, upstream, downstream } = this.#parts;
    const { backendSide, clientSide, openedAt } = this.#owner;
    // A pipe without a session, whose client cannot come back, is not handed over.
    const kept = downstream.journal!;
    return {
      pipeId: identity.id,
      clientId: identity.request.clientId,
      openedAt,
      protocol: identity.agreedProtocol,
      rights: clientSide.session!.rights,
      backendId: backendSide.lastBackendId,
      generation: backendSide.generation,
      ticket: backendSide.ticket,
      upstream: { acknowledged: upstream.journal.acknowledged, everSent: upstream.journal.everSent },
      downstream: { acknowledged: kept.acknowledged, everSent: kept.everSent, runs: kept.runs() },
    };
  }
}
