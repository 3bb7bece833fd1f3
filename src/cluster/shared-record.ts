/**
 * One record that all gateways have. The one in the store is the truth: it is looked at when the gateway starts, at a hint, at a gap, when
 * the store is back, and every `pollMs`. A change names the revision that it was made for, so nobody overwrites what he has not seen; a
 * store that has lost the record, or has an older one, gets it back from whoever has the highest revision. What makes no sense is told, and
 * written over with what is known, once in a while; where nothing is known it stays until somebody changes it.
 */
import { type Static, type TSchema, Type } from 'typebox';
import { Value } from 'typebox/value';
import { StoreRecordUnreadable } from '../errors.ts';
import { describeSchemaError } from '../schema-error.ts';
import type { Courier, Hint } from './courier.ts';
import { firstRevision, type KeyKind } from './keys.ts';
import type { Membership } from './membership.ts';
import { encodeJson, type ReadRecord, readRecord } from './records.ts';
import { type ClusterStore, type StoredRecord, StoreFailure } from './store.ts';

/** With whom a record is shared, and how: the same for all of a gateway. */
export interface SharingSettings {
  readonly store: ClusterStore;
  readonly courier: Courier;
  readonly membership: Membership;
  /** How long a hint that was lost may go unnoticed, milliseconds. */
  readonly pollMs: number;
  /** Told of what is a defect of ours; that the store fails is told by the membership. */
  readonly onError: (error: unknown) => void;
}

export interface SharedRecordSettings<S extends TSchema> extends SharingSettings {
  readonly key: string;
  readonly kind: KeyKind;
  readonly schema: S;
  /** What the record is called where it is too big. */
  readonly what: string;
  /** What is put where there is none; null = nothing, until somebody changes it. */
  readonly first: () => Static<S> | null;
  /** Another revision than before is there, from here or from elsewhere. */
  readonly apply: (present: Snapshot<Static<S>>) => void;
}

export interface Snapshot<T> {
  readonly revision: number;
  readonly value: T;
}

/** A record has another revision: look at it. */
const changed = { kind: 'changed', says: Type.Object({ key: Type.String(), revision: Type.Integer() }) } satisfies Hint;

/** Others that may be faster, one after the other, before a change is given up. */
const maxTries = 20;
/** Records that nobody changes are kept by a touch. */
const touchMs = 3_600_000;
/** Between two times that what cannot be read is written over, or told: two versions that cannot read each other would do so without end. */
const overwriteMs = 60_000;

export class SharedRecord<S extends TSchema> {
  readonly #settings: SharedRecordSettings<S>;
  #present: Snapshot<Static<S>> | null = null;
  #bytes: Buffer | null = null;
  /** What is under way; a second one waits for the first. */
  #turn: Promise<unknown> = Promise.resolve();
  #looking: Promise<void> | null = null;
  #timer: NodeJS.Timeout | null = null;
  #touchedAt = 0;
  #overwrittenAt = Number.NEGATIVE_INFINITY;
  #toldAt = Number.NEGATIVE_INFINITY;
  #stops: (() => unknown)[] = [];
  #state: 'new' | 'running' | 'stopped' = 'new';

  constructor(settings: SharedRecordSettings<S>) {
    this.#settings = settings;
  }

  /** As it was last seen; null = never. */
  get present(): Snapshot<Static<S>> | null {
    return this.#present;
  }

  /** From now on it is looked at whenever there is a reason to. The first look is that of the membership. */
  start(): void {
    if (this.#state !== 'new') return;
    this.#state = 'running';
    const { membership, courier, key, pollMs } = this.#settings;
    const look = (): void => void this.look();
    this.#stops = [
      membership.onLook(look),
      courier.onGap(look),
      courier.onHint(changed, (hint) => {
        if (hint.key === key && hint.revision !== this.#present?.revision) look();
      }),
    ];
    this.#timer = setInterval(look, pollMs).unref();
  }

  /** Idempotent. */
  stop(): void {
    this.#state = 'stopped';
    if (this.#timer !== null) clearInterval(this.#timer);
    for (const stop of this.#stops.splice(0)) stop();
  }

  /** Reads the record, and puts it back where it is lost. Never fails: what cannot be read now is read later. */
  look(): Promise<void> {
    if (this.#state !== 'running' || !this.#settings.membership.up) return Promise.resolve();
    // One that waits for its turn has not read yet.
    this.#looking ??= this.#inTurn(async () => {
      this.#looking = null;
      try {
        await this.#reconcile();
        await this.#keep();
      } catch (error) {
        this.#report(error);
      }
    });
    return this.#looking;
  }

  /**
   * Changes the record: `merge` makes the new value from the one that is there, and may be called again where another gateway was faster;
   * what it throws leaves everything as it was.
   * @returns the record as it is then; the same as before where `merge` returned what it was given.
   * @throws HOLDFAST_ERR_STORE_UNAVAILABLE, HOLDFAST_ERR_STORE_VALUE_TOO_BIG
   */
  change(merge: (present: Snapshot<Static<S>> | null) => Static<S>): Promise<Snapshot<Static<S>>> {
    const { membership } = this.#settings;
    if (this.#state !== 'running') return Promise.reject(new StoreFailure('closed'));
    if (!membership.up) return Promise.reject(new StoreFailure(membership.failure ?? 'disconnected'));
    return this.#inTurn(async () => {
      for (let tries = 0; tries < maxTries; tries += 1) {
        const found = await this.#reconcile();
        const before = this.#present;
        const value = merge(before);
        if (before !== null && value === before.value) return before;
        // As many as there have been milliseconds: no other history of this record has got there.
        const revision = Math.max((found?.revision ?? 0) + 1, (before?.revision ?? 0) + 1, firstRevision());
        const bytes = this.#encode(value);
        if (!(await this.#put(revision, bytes, found?.revision ?? 0))) continue;
        return this.#take({ revision, value }, bytes);
      }
      throw tooSlow();
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }

  /** What is there and what we have become one. @returns the record as it is in the store then. @throws StoreFailure */
  async #reconcile(tries = maxTries): Promise<ReadRecord<Static<S>> | null> {
    if (this.#state !== 'running') throw new StoreFailure('closed');
    if (tries === 0) throw tooSlow();
    const { store, key, schema, kind } = this.#settings;
    const stored = await store.get(key);
    const found = readRecord(schema, stored, kind);
    if (found !== null && found.value !== null && !this.#isOlder(found.revision)) {
      this.#see(found.revision, found.value, stored!);
      return found;
    }
    const unreadable = found !== null && found.value === null;
    if (unreadable) this.#tellUnreadable();
    const own = this.#present?.value ?? this.#settings.first();
    if (own === null) return found;
    if (unreadable && performance.now() - this.#overwrittenAt < overwriteMs) return found;
    // The first is 1: it gives way to whatever another gateway knows of a store that has lost all. What makes no sense may have any revision.
    const revision = Math.max(this.#present?.revision ?? 1, (found?.revision ?? 0) + 1);
    const bytes = this.#encode(own);
    // Another one was faster: what it has put is seen at the next look, or by who wants to change it.
    if (!(await this.#put(revision, bytes, found?.revision ?? 0))) return this.#reconcile(tries - 1);
    if (unreadable) this.#overwrittenAt = performance.now();
    this.#take({ revision, value: own }, bytes);
    return { revision, value: own };
  }

  /** Also where we do not write over it: nothing is known here, it was done a short time ago, or a change does it. */
  #tellUnreadable(): void {
    const now = performance.now();
    if (now - this.#toldAt < overwriteMs) return;
    this.#toldAt = now;
    this.#settings.onError(new StoreRecordUnreadable(this.#settings.what));
  }

  #isOlder(revision: number): boolean {
    return this.#present !== null && revision < this.#present.revision;
  }

  #see(revision: number, value: Static<S>, { value: bytes }: StoredRecord): void {
    // The same revision with another content: a store that failed over had lost what we knew, and somebody changed it since.
    if (revision === this.#present?.revision && this.#bytes?.equals(bytes)) return;
    this.#present = { revision, value };
    this.#bytes = bytes;
    this.#apply();
  }

  /** What was put by us. */
  #take(present: Snapshot<Static<S>>, bytes: Buffer): Snapshot<Static<S>> {
    const same = this.#present?.revision === present.revision && this.#bytes?.equals(bytes) === true;
    this.#present = present;
    this.#bytes = bytes;
    if (!same) this.#apply();
    this.#settings.courier.hint(changed, { key: this.#settings.key, revision: present.revision });
    return present;
  }

  #apply(): void {
    try {
      this.#settings.apply(this.#present!);
    } catch (error) {
      this.#settings.onError(error);
    }
  }

  async #put(revision: number, value: Buffer, ifRevision: number): Promise<boolean> {
    const { store, key, kind } = this.#settings;
    const { stored } = await store.put(key, { revision, value }, { ifRevision, ttlMs: kind.ttlMs });
    if (stored) this.#touchedAt = performance.now();
    return stored;
  }

  async #keep(): Promise<void> {
    const now = performance.now();
    if (this.#present === null || (this.#touchedAt > 0 && now - this.#touchedAt < touchMs)) return;
    const { store, key, kind } = this.#settings;
    await store.touch([{ key, revision: this.#present.revision }], kind.ttlMs);
    this.#touchedAt = now;
  }

  /** @throws for what nobody could read. */
  #encode(value: Static<S>): Buffer {
    const { what, schema, kind } = this.#settings;
    if (!Value.Check(schema, value)) throw new RangeError(`${what}: ${describeSchemaError(schema, value)}`);
    return encodeJson(what, value, kind.maxBytes);
  }

  #report(error: unknown): void {
    if (!(error instanceof StoreFailure)) this.#settings.onError(error);
  }
}

function tooSlow(): StoreFailure {
  return new StoreFailure('failed', new Error(`${maxTries} others were faster`));
}
