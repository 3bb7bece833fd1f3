/**
 * Records in the store that belong to what this gateway has, one for each: kept alive in batches, written one after the other, put again
 * where the store has lost them. The revision is the fence: who finds another's record in the place of his own asks whether he may write
 * over it, and has lost what it stood for where he may not.
 */
import { firstRevision, type KeyKind } from './keys.ts';
import type { Membership } from './membership.ts';
import { encodeJson } from './records.ts';
import {
  type ClusterStore,
  type PutAnswer,
  type PutCondition,
  type StoredRecord,
  StoreFailure,
  storeBounds,
} from './store.ts';

export interface KeptRecord {
  readonly key: string;
  /** Of the record that is ours; 0 = none is known. */
  revision: number;
  /** What is written is not what should be. */
  stale: boolean;
  /** It is not ours to write any more. */
  leaving: boolean;
  /** The writing under way. */
  writing: Promise<WriteOutcome> | null;
}

/** failed: the store could not be asked, and is asked again later. lost: somebody else has it. contended: it changed again and again. */
export type WriteOutcome = 'written' | 'failed' | 'lost' | 'contended';

export interface KeptRecordsSettings<R extends KeptRecord> {
  readonly store: ClusterStore;
  readonly membership: Pick<Membership, 'up' | 'onLook'>;
  readonly kind: KeyKind;
  /** What is to lie there now. */
  readonly value: (record: R) => unknown;
  /**
   * Another revision than ours is there; null = none.
   * @returns the revision that may be written over; 0 = there is none; null = it is somebody else's. May throw StoreFailure.
   */
  readonly mayWriteOver: (record: R, present: StoredRecord | null) => Promise<number | null>;
  /** It is somebody else's, and no more among those kept. */
  readonly lost: (record: R) => void;
  /** Told of what is a defect of ours. */
  readonly onError: (error: unknown) => void;
}

/** How often one write may find that the record has changed once more. */
const maxRounds = 4;
/** What could not be written though the store is there is tried again after that, milliseconds. */
const retryMs = 2000;

export class KeptRecords<R extends KeptRecord> {
  readonly #settings: KeptRecordsSettings<R>;
  readonly #records = new Map<string, R>();
  #unlook: () => void = () => {};
  #timer: NodeJS.Timeout | null = null;
  #retry: NodeJS.Timeout | null = null;
  #retryAll = false;

  constructor(settings: KeptRecordsSettings<R>) {
    this.#settings = settings;
  }

  get size(): number {
    return this.#records.size;
  }

  start(): void {
    const { membership, kind } = this.#settings;
    this.#unlook = membership.onLook((reason) => {
      if (reason !== 'started') void this.keep();
    });
    // Between two rounds that keep all records.
    this.#timer = setInterval(() => void this.keep(), kind.ttlMs / 3).unref();
  }

  stop(): void {
    this.#unlook();
    if (this.#timer !== null) clearInterval(this.#timer);
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = null;
  }

  get(key: string): R | undefined {
    return this.#records.get(key);
  }

  /** From here it is kept, in the place of whatever was kept at its key. */
  add(record: R): void {
    this.#records.set(record.key, record);
  }

  /** It is kept no more, and not written again; what lies in the store stays there. Idempotent. */
  drop(record: R): void {
    record.leaving = true;
    if (this.#records.get(record.key) === record) this.#records.delete(record.key);
  }

  /** It is kept no more, and leaves the store behind the writing under way. Idempotent. */
  remove(record: R): void {
    this.drop(record);
    const remove = async (): Promise<void> => {
      await record.writing;
      const { revision } = record;
      record.revision = 0;
      if (revision > 0) await this.#settings.store.remove(record.key, revision);
    };
    remove().catch((error: unknown) => this.#tell(error));
  }

  /**
   * Keeps all alive, and writes those that should be there and are not: a part of them at a time, as a store that was restarted empty wants
   * all at once, and a connection carries so many calls and no more.
   */
  async keep(): Promise<void> {
    const { store, membership, kind } = this.#settings;
    if (!membership.up) return;
    for (const part of inParts([...this.#records.values()])) {
      const batch = part.filter(({ leaving }) => !leaving);
      const known = batch.filter(({ revision }) => revision > 0);
      const claims = known.map(({ key, revision }) => ({ key, revision }));
      try {
        const kept = await store.touch(claims, kind.ttlMs);
        known.forEach((record, index) => {
          // One that was written meanwhile is not lost.
          if (kept[index] === false && record.revision === claims[index]!.revision) record.stale = true;
        });
      } catch (error) {
        this.#tell(error);
        this.#retryLater(true);
        return;
      }
      await this.#writeStale(batch);
    }
  }

  /** Writes it behind the writing under way; once more where it has become stale meanwhile. Without a store it waits for that. Never fails. */
  write(record: R): Promise<WriteOutcome> {
    if (record.writing !== null) {
      record.stale = true;
      return record.writing;
    }
    if (!this.#settings.membership.up) {
      record.stale = true;
      return Promise.resolve('failed');
    }
    const writing = this.#write(record).finally(() => {
      record.writing = null;
    });
    record.writing = writing;
    return writing;
  }

  /**
   * One put, without a question to anybody.
   * @param condition.ttlMs default: that of its kind.
   * @throws StoreFailure
   */
  async put(record: R, value: unknown, condition: PutAt): Promise<PutAnswer> {
    const { store, kind } = this.#settings;
    const { ifRevision, ttlMs = kind.ttlMs } = condition;
    const revision = ifRevision === 0 ? firstRevision() : ifRevision + 1;
    const bytes = encodeJson(record.key, value, kind.maxBytes);
    const answer = await store.put(record.key, { revision, value: bytes }, { ifRevision, ttlMs });
    if (answer.stored) record.revision = revision;
    return answer;
  }

  async #write(record: R): Promise<WriteOutcome> {
    let outcome: WriteOutcome;
    do outcome = await this.#writeOnce(record);
    while (outcome === 'written' && record.stale && !record.leaving);
    if (outcome === 'lost') {
      this.drop(record);
      this.#settings.lost(record);
    } else if (outcome !== 'written') {
      record.stale = true;
      this.#retryLater();
    }
    return outcome;
  }

  async #writeOnce(record: R): Promise<WriteOutcome> {
    const { value, mayWriteOver } = this.#settings;
    let ifRevision = record.revision;
    try {
      for (let round = 0; round < maxRounds && !record.leaving; round += 1) {
        record.stale = false;
        const answer = await this.put(record, value(record), { ifRevision });
        if (answer.stored) return 'written';
        const over = await mayWriteOver(record, answer.present);
        if (over === null) return 'lost';
        ifRevision = over;
      }
      return 'contended';
    } catch (error) {
      // What the call has done is not known: what is there is looked at with the next one.
      this.#tell(error);
      return 'failed';
    }
  }

  async #writeStale(records: readonly R[]): Promise<void> {
    for (const part of inParts(records.filter(({ stale }) => stale)))
      await Promise.all(part.filter(({ leaving }) => !leaving).map((record) => this.write(record)));
  }

  /** @param all not only those that are known to be stale. */
  #retryLater(all = false): void {
    this.#retryAll ||= all;
    this.#retry ??= setTimeout(() => {
      this.#retry = null;
      const whole = this.#retryAll;
      this.#retryAll = false;
      if (whole) void this.keep();
      else void this.#writeStale([...this.#records.values()]);
    }, retryMs).unref();
  }

  /** That the store cannot be reached is told by the membership. */
  #tell(error: unknown): void {
    if (!(error instanceof StoreFailure)) this.#settings.onError(error);
  }
}

type PutAt = Pick<PutCondition, 'ifRevision'> & Partial<PutCondition>;

function inParts<T>(all: readonly T[]): T[][] {
  const { claims } = storeBounds;
  return Array.from({ length: Math.ceil(all.length / claims) }, (_, n) => all.slice(n * claims, (n + 1) * claims));
}
