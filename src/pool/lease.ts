/**
 * The right to one connection of a backend. Whoever holds it says how the connection fares: what is known of a backend without asking it
 * follows from that and from nothing else.
 */
import type { Backend } from './backend.ts';

/** What a lease reports to; the pool. `dialing` = the lease held a dial slot until now, and has given it back with this call. */
export interface LeaseOwner {
  attached(backend: Backend): void;
  proved(backend: Backend, dialing: boolean): void;
  failed(backend: Backend, dialing: boolean, detail: string, pipeId: string | undefined): void;
  released(backend: Backend, dialing: boolean): void;
}

/**
 * dialing -> attached -> proved -> released, or to released from any. Holds a connection until released, a dial slot while dialing.
 * Every method may be called in any state and any number of times; what does not fit the state does nothing.
 */
export class Lease {
  readonly backend: Backend;
  readonly #owner: LeaseOwner;
  #state: 'dialing' | 'attached' | 'proved' | 'released' = 'dialing';

  /** The backend has been reserved for it. */
  constructor(backend: Backend, owner: LeaseOwner) {
    this.backend = backend;
    this.#owner = owner;
  }

  /** The handshake is done: the dial slot is free again. Says nothing about health: a backend may accept and then crash. */
  attached(): void {
    if (this.#state !== 'dialing') return;
    this.#state = 'attached';
    this.#owner.attached(this.backend);
  }

  /** The link survived failover.probationMs: the backend is healthy, its streak of failures and its ejection end. */
  proved(): void {
    const before = this.#state;
    if (before === 'proved' || before === 'released') return;
    this.#state = 'proved';
    this.#owner.proved(this.backend, before === 'dialing');
  }

  /**
   * The dial or the link failed and the lease is over; counts against the backend.
   * @param detail what happened, for the operator; no secrets.
   * @param options.pipeId give it when the lease was attached: the failures of one pipe count once in a streak.
   */
  failed(detail: string, options?: { readonly pipeId?: string | undefined }): void {
    const before = this.#state;
    if (before === 'released') return;
    this.#state = 'released';
    this.#owner.failed(this.backend, before === 'dialing', detail, options?.pipeId);
  }

  /** The connection ended, or the dial was given up, without fault of the backend. */
  release(): void {
    const before = this.#state;
    if (before === 'released') return;
    this.#state = 'released';
    this.#owner.released(this.backend, before === 'dialing');
  }
}
