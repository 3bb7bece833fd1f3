/**
 * Being one of several gateways: beats once in a while, knows who else is there, and whether the store can be asked at all. A gateway
 * whose beats fail is degraded: it goes on with what it knew last, and asks the store nothing for a client until a beat is answered again.
 */
import { Value } from 'typebox/value';
import { decodeJson, encodeJson, GatewayFacts, GatewayId } from './records.ts';
import { type Beat, type ClusterStore, StoreFailure, type StoreFailureReason, storeBounds } from './store.ts';

/** What happens, told to whoever keeps the events of the gateway. */
export interface MembershipEvents {
  emit(name: 'cluster.degraded', event: { readonly reason: StoreFailureReason }): void;
  emit(name: 'cluster.recovered', event: { readonly degradedMs: number; readonly gateways: number }): void;
  emit(name: 'cluster.joined' | 'cluster.left', event: { readonly gatewayId: string }): void;
}

export interface MembershipSettings {
  readonly store: ClusterStore;
  /** This gateway: `<name>.<6 characters>`, new with each start. */
  readonly id: string;
  /** What it says of itself now. */
  readonly facts: () => GatewayFacts;
  /** Between two beats, milliseconds. Default 1,000. */
  readonly beatMs?: number;
  /** A gateway that is silent for so long is none any more, milliseconds. Default 5,000. */
  readonly memberTtlMs?: number;
  readonly events: MembershipEvents;
  /** Told of what a listener threw, and of what is a defect of ours. */
  readonly onError: (error: unknown) => void;
}

export interface GatewayMember {
  readonly id: string;
  /** Null = it speaks another version, or nonsense: it is there all the same. */
  readonly facts: GatewayFacts | null;
  /** Milliseconds from its last beat to the last answer that we got. */
  readonly ageMs: number;
}

/** Why everything is to be looked at again: what was known may be old, or the store may have lost it. */
export type LookReason = 'started' | 'recovered' | 'forgotten';

/** Beats in a row that may fail. */
const failuresAllowed = 1;
/** Gateways that have left, of which that is remembered. */
const departedKept = 1000;
/** One that fell silent may be cut off from the store alone, and serve its clients: so long that is remembered, milliseconds. */
const lapsedMs = 300_000;

export class Membership {
  readonly id: string;
  readonly #settings: Required<MembershipSettings>;
  readonly #lookers = new Set<(reason: LookReason) => void>();
  #state: 'new' | 'starting' | 'up' | 'degraded' | 'stopped' = 'new';
  #failure: StoreFailureReason | null = null;
  #failures = 0;
  #degradedAt = 0;
  #members: readonly GatewayMember[] = [];
  #alive = new Set<string>();
  readonly #departed = new Set<string>();
  /** Those of them that did not say so, and since when. Monotonic ms. */
  readonly #lapsed = new Map<string, number>();
  /** Gateways that the store has forgotten together with us, and until when they may come back. Monotonic ms. */
  readonly #forgotten = new Map<string, number>();
  /** When the last beat that was answered began. Monotonic ms. */
  #askedAt = 0;
  #beating: Promise<void> | null = null;
  #beginning = Promise.resolve();
  #timer: NodeJS.Timeout | null = null;

  constructor(settings: MembershipSettings) {
    this.id = settings.id;
    this.#settings = { beatMs: 1000, memberTtlMs: 5000, ...settings };
  }

  /** The store answers: false before the first beat was answered, and while degraded. */
  get up(): boolean {
    return this.#state === 'up';
  }

  /** Why it is degraded; null = it is not. */
  get failure(): StoreFailureReason | null {
    return this.#state === 'degraded' ? this.#failure : null;
  }

  /**
   * All that were there at the last answer, this one too, by id. Where the store has forgotten this one it has forgotten others as well:
   * those are still there for the time they may be silent.
   */
  get members(): readonly GatewayMember[] {
    return this.#members;
  }

  /** Gateways that fell silent in the last five minutes without a word: dead, or only cut off from the store. */
  get lapsed(): readonly string[] {
    const oldest = performance.now() - lapsedMs;
    for (const [id, since] of this.#lapsed) if (since < oldest) this.#lapsed.delete(id);
    return [...this.#lapsed.keys()];
  }

  /** The gateway was there at the last answer. One that has only just come may be missing: see findAlive(). */
  isAlive(id: string): boolean {
    return this.#alive.has(id);
  }

  /**
   * Whether a gateway is there now: for one that was never seen the store is asked anew, so that who came a moment ago is not taken for dead.
   * @throws StoreFailure where that cannot be known.
   */
  async findAlive(id: string): Promise<boolean> {
    if (this.isAlive(id)) return true;
    if (this.up && this.#departed.has(id)) return false;
    // One that is under way may have been answered before the other came.
    await this.#beating;
    await this.#beat();
    // While only one has failed it is not degraded yet; but who is there, that one did not tell.
    if (!this.up || this.#failures > 0) throw new StoreFailure(this.#failure ?? 'closed');
    return this.isAlive(id);
  }

  /** `listener` is called whenever all that is shared is to be looked at again; the answer stops it. */
  onLook(listener: (reason: LookReason) => void): () => void {
    this.#lookers.add(listener);
    return () => this.#lookers.delete(listener);
  }

  /** Begins to beat. Resolves when the first beat was answered, or has failed: it goes on either way. Idempotent. */
  start(): Promise<void> {
    if (this.#state === 'new') {
      this.#state = 'starting';
      this.#beginning = this.#beat();
    }
    return this.#beginning;
  }

  /** Ends the beats, and leaves where that can be done. Idempotent. */
  async stop(): Promise<void> {
    if (this.#state === 'stopped') return;
    const begun = this.#state !== 'new';
    this.#state = 'stopped';
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    // A beat that is under way would bring us back.
    await this.#beating;
    if (begun) await this.#settings.store.leave(this.id).catch(() => {});
  }

  /** One at a time: whoever asks for one while it is under way waits for the same. */
  #beat(): Promise<void> {
    if (this.#state === 'stopped') return Promise.resolve();
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#beating ??= this.#beatOnce().finally(() => {
      this.#beating = null;
    });
    return this.#beating;
  }

  async #beatOnce(): Promise<void> {
    const begunAt = performance.now();
    const { store, memberTtlMs, beatMs } = this.#settings;
    try {
      const beat = await store.beat(this.id, this.#describe(), memberTtlMs);
      this.#answered(beat, begunAt);
    } catch (error) {
      this.#failed(error);
    }
    if (this.#state === 'stopped') return;
    const pauseMs = Math.max(beatMs / 10, beatMs - (performance.now() - begunAt));
    this.#timer = setTimeout(() => void this.#beat(), pauseMs).unref();
  }

  #describe(): Buffer {
    return encodeJson('what this gateway says of itself', this.#settings.facts(), storeBounds.memberBytes);
  }

  #answered({ known, members }: Beat, begunAt: number): void {
    const before = this.#state;
    if (before === 'stopped') return;
    this.#state = 'up';
    this.#failures = 0;
    this.#failure = null;
    this.#note(members, known, before === 'starting');
    this.#askedAt = begunAt;
    if (before === 'degraded') {
      const degradedMs = performance.now() - this.#degradedAt;
      this.#settings.events.emit('cluster.recovered', { degradedMs, gateways: this.#members.length });
    }
    if (before === 'starting') this.#look('started');
    else if (before === 'degraded') this.#look('recovered');
    else if (!known) this.#look('forgotten');
  }

  #note(members: Beat['members'], known: boolean, first: boolean): void {
    const last = this.#members;
    const fitting = members.filter(({ id }) => Value.Check(GatewayId, id));
    const there: GatewayMember[] = fitting.map(({ id, value, ageMs }) => ({
      id,
      facts: decodeJson(GatewayFacts, value, storeBounds.memberBytes),
      ageMs,
    }));
    this.#members = there;
    this.#alive = new Set(there.map(({ id }) => id));
    if (first) return;
    const { events, memberTtlMs } = this.#settings;
    const before = new Set(last.map(({ id }) => id));
    for (const gatewayId of this.#alive) {
      this.#departed.delete(gatewayId);
      this.#lapsed.delete(gatewayId);
      this.#forgotten.delete(gatewayId);
      if (!before.has(gatewayId)) events.emit('cluster.joined', { gatewayId });
    }
    const now = performance.now();
    for (const { id: gatewayId, facts, ageMs: lastAgeMs } of last) {
      if (this.#alive.has(gatewayId)) continue;
      const ageMs = lastAgeMs + now - this.#askedAt;
      if (!known && !this.#forgotten.has(gatewayId)) this.#forgotten.set(gatewayId, now + memberTtlMs);
      if (now < (this.#forgotten.get(gatewayId) ?? 0)) {
        there.push({ id: gatewayId, facts, ageMs });
        continue;
      }
      this.#forgotten.delete(gatewayId);
      this.#departed.add(gatewayId);
      // One that leaves is gone before it is silent for so long.
      if (ageMs >= memberTtlMs && facts?.closing !== true) this.#lapsed.set(gatewayId, now);
      events.emit('cluster.left', { gatewayId });
    }
    there.sort((a, b) => (a.id < b.id ? -1 : 1));
    this.#alive = new Set(there.map(({ id }) => id));
    for (const oldest of this.#departed) {
      if (this.#departed.size <= departedKept) break;
      this.#departed.delete(oldest);
      this.#lapsed.delete(oldest);
    }
  }

  #failed(error: unknown): void {
    if (!(error instanceof StoreFailure)) this.#settings.onError(error);
    if (this.#state === 'stopped') return;
    this.#failure = error instanceof StoreFailure ? error.reason : 'failed';
    this.#failures += 1;
    const allowed = this.#state === 'up' ? failuresAllowed : 0;
    if (this.#state === 'degraded' || this.#failures <= allowed) return;
    this.#state = 'degraded';
    this.#degradedAt = performance.now();
    this.#settings.events.emit('cluster.degraded', { reason: this.#failure });
  }

  #look(reason: LookReason): void {
    for (const looker of [...this.#lookers]) {
      try {
        looker(reason);
      } catch (error) {
        this.#settings.onError(error);
      }
    }
  }
}
