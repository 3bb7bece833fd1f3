/** Asking the other gateways: bounded in time, and what is missing is told. */
import type { Static, TSchema } from 'typebox';
import type { AllAnswers, AskAllOptions, Courier, Question } from '../cluster/courier.ts';
import type { Membership } from '../cluster/membership.ts';
import { StoreFailure } from '../cluster/store.ts';
import { GatewayNotFound, PeerSilent } from '../errors.ts';

/** Longest wait for what others have to say, milliseconds. */
export const fleetMs = 1000;
/** As many are named in an error. */
const namesShown = 3;

export interface Heard<T> extends AllAnswers<T> {
  /** Why there may be more than was heard; null = all were. */
  readonly failure: Error | null;
}

interface FleetOptions<T> extends Pick<AskAllOptions<T>, 'enough'> {
  /** For what must reach all that serve clients: gateways that fell silent a short time ago are missing too. Default false. */
  readonly lapsed?: boolean;
}

export class Fleet {
  /** This gateway. */
  readonly id: string;
  readonly #membership: Membership;
  readonly #courier: Courier;

  constructor(membership: Membership, courier: Courier) {
    this.id = membership.id;
    this.#membership = membership;
    this.#courier = courier;
  }

  /** Gateways at the last answer of the store, this one too. */
  get size(): number {
    return this.#others().length + 1;
  }

  /** Asks all others. Never fails: what could not be heard is missing. */
  async askAll<Q extends TSchema, A extends TSchema>(
    question: Question<Q, A>,
    body: Static<Q>,
    { enough, lapsed = false }: FleetOptions<Static<A>> = {},
  ): Promise<Heard<Static<A>>> {
    const options = { timeoutMs: fleetMs, ...(enough === undefined ? {} : { enough }) };
    try {
      this.#checkUp();
      const { answers, missing: silent } = await this.#courier.askAll(question, body, options);
      // One may have lapsed while it was asked.
      const missing = [...new Set([...silent, ...(lapsed ? this.#membership.lapsed : [])])].sort();
      const named = [...missing.slice(0, namesShown), ...(missing.length > namesShown ? ['and others'] : [])];
      const failure = missing.length === 0 ? null : new PeerSilent(named.join(', '), fleetMs);
      return { answers, missing, failure };
    } catch (error) {
      return { answers: [], missing: this.#others(), failure: error as Error };
    }
  }

  /**
   * Asks one other.
   * @throws HOLDFAST_ERR_GATEWAY_NOT_FOUND, HOLDFAST_ERR_STORE_UNAVAILABLE, HOLDFAST_ERR_PEER_SILENT, HOLDFAST_ERR_PEER_FAILED,
   * HOLDFAST_ERR_PEERS_BUSY, and what the other one threw.
   */
  async ask<Q extends TSchema, A extends TSchema>(
    gateway: string,
    question: Question<Q, A>,
    body: Static<Q>,
    timeoutMs: number = fleetMs,
  ): Promise<Static<A>> {
    this.#checkUp();
    if (!this.#membership.isAlive(gateway)) throw new GatewayNotFound(gateway);
    return this.#courier.ask(gateway, question, body, { timeoutMs });
  }

  #others(): string[] {
    return this.#membership.members.map(({ id }) => id).filter((id) => id !== this.id);
  }

  #checkUp(): void {
    if (!this.#membership.up) throw new StoreFailure(this.#membership.failure ?? 'disconnected');
  }
}

/** How it is told that there may be more. */
export function completeness({ missing, failure }: Pick<Heard<unknown>, 'missing' | 'failure'>): {
  partial: boolean;
  missing: readonly string[];
} {
  return { partial: failure !== null, missing };
}
