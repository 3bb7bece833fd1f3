/** A store in memory that fails when a test says so. */
import { type MemoryHub, MemoryStore } from '../../src/cluster/memory-store.ts';
import {
  type Beat,
  type Claim,
  type PutAnswer,
  type PutCondition,
  type StoredRecord,
  StoreFailure,
  type StoreFailureReason,
} from '../../src/cluster/store.ts';
import { type Deferred, deferred } from './wait.ts';

export class UnsteadyStore extends MemoryStore {
  /** With what every call fails from now on; null = none does. */
  failure: StoreFailureReason | null = null;
  /** Number of calls so far, by verb. */
  readonly calls: Record<string, number> = {};
  #held: Deferred<void> | null = null;
  #heldVerb: string | null = null;
  #heldAnswers = false;

  constructor(hub: MemoryHub) {
    super(hub);
  }

  /** Calls wait from now on, until release(). @param verb only those of this one. Default: all. @param answers `get` and `remove` are done, and their answers wait. */
  hold(verb: string | null = null, answers = false): void {
    this.#held ??= deferred();
    this.#heldVerb = verb;
    this.#heldAnswers = answers;
  }

  release(): void {
    this.#held?.resolve();
    this.#held = null;
  }

  override async get(key: string): Promise<StoredRecord | null> {
    if (!this.#heldAnswers) await this.#pass('get');
    const record = await super.get(key);
    if (this.#heldAnswers) await this.#pass('get');
    return record;
  }

  override async put(key: string, record: StoredRecord, condition: PutCondition): Promise<PutAnswer> {
    await this.#pass('put');
    return super.put(key, record, condition);
  }

  override async remove(key: string, ifRevision?: number): Promise<StoredRecord | null> {
    if (!this.#heldAnswers) await this.#pass('remove');
    const record = await super.remove(key, ifRevision);
    if (this.#heldAnswers) await this.#pass('remove');
    return record;
  }

  override async touch(claims: readonly Claim[], ttlMs: number): Promise<boolean[]> {
    await this.#pass('touch');
    return super.touch(claims, ttlMs);
  }

  override async beat(id: string, value: Buffer, ttlMs: number): Promise<Beat> {
    await this.#pass('beat');
    return super.beat(id, value, ttlMs);
  }

  override async publish(channel: string, payload: Buffer): Promise<void> {
    await this.#pass('publish');
    return super.publish(channel, payload);
  }

  async #pass(verb: string): Promise<void> {
    this.calls[verb] = (this.calls[verb] ?? 0) + 1;
    if (this.#heldVerb === null || this.#heldVerb === verb) await this.#held?.promise;
    if (this.failure !== null) throw new StoreFailure(this.failure);
  }
}
