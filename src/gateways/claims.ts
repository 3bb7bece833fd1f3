/**
 * Which resumable pipes this gateway has, in the store: one record for each, written when it begins and when its tokens change, removed when
 * it closes. A record counts while its gateway is a member; its revision is the fence: who cannot write over it any more has lost the pipe,
 * and closes it. Nothing here is waited for by a client.
 */
import { type KeptRecord, KeptRecords } from '../cluster/kept-records.ts';
import { keyKinds, pipeKey } from '../cluster/keys.ts';
import type { Membership } from '../cluster/membership.ts';
import { PipeRecord, readRecord } from '../cluster/records.ts';
import { type ClusterStore, type StoredRecord, StoreFailure } from '../cluster/store.ts';
import { closeOrders } from '../pipe/close-orders.ts';
import type { PersistentPipe } from '../pipe/persistent-pipe.ts';
import { closeCode } from '../wire/close-codes.ts';

export interface ClaimsSettings {
  readonly store: ClusterStore;
  readonly membership: Membership;
  /** Told of what is a defect of ours. */
  readonly onError: (error: unknown) => void;
}

interface Claim extends KeptRecord {
  readonly pipe: PersistentPipe;
}

export class Claims {
  readonly #settings: ClaimsSettings;
  readonly #records: KeptRecords<Claim>;

  constructor(settings: ClaimsSettings) {
    this.#settings = settings;
    this.#records = new KeptRecords({
      ...settings,
      kind: keyKinds.pipe,
      value: ({ pipe }) => this.#record(pipe, { state: 'held', fence: 0 }),
      mayWriteOver: (_claim, present) => this.#mayWriteOver(present),
      lost: ({ pipe }) => pipe.close(closeOrders.moved(closeCode.serviceRestart, 'another gateway has this session')),
    });
  }

  /** Records that are kept. */
  get size(): number {
    return this.#records.size;
  }

  start(): void {
    this.#records.start();
  }

  stop(): void {
    this.#records.stop();
  }

  /** The pipe is here; its record is written behind it. @param revision of a record that is ours already. */
  held(pipe: PersistentPipe, revision?: number): void {
    const key = pipeKey(pipe.id);
    if (key === null) return;
    const known = this.#records.get(key);
    const claim = known ?? { pipe, key, revision: revision ?? 0, stale: false, leaving: false, writing: null };
    if (known === undefined) this.#records.add(claim);
    claim.stale = revision === undefined;
    if (claim.stale && !claim.leaving) void this.#records.write(claim);
  }

  /** The pipe has closed: its record goes, unless it is on its way to another gateway. */
  closed(pipe: PersistentPipe): void {
    const claim = this.#claimOf(pipe);
    if (claim !== undefined && !claim.leaving) this.#records.remove(claim);
  }

  /**
   * From here no other gateway believes that this one has the pipe, and this one believes it neither.
   * @returns the revision of the fence; null = the pipe is not ours, or the store does not say so: then nothing is changed here.
   */
  async fence(pipe: PersistentPipe): Promise<number | null> {
    const claim = this.#claimOf(pipe);
    if (claim === undefined || claim.leaving) return null;
    if (claim.revision === 0) void this.#records.write(claim);
    // A store that was restarted empty a moment ago has no record to fence, until it is written anew.
    for (let round = 0; round < 2; round += 1) {
      while (claim.writing !== null) await claim.writing;
      if (claim.leaving) return null;
      claim.leaving = true;
      const outcome = claim.revision === 0 ? 'failed' : await this.#putFence(claim);
      if (outcome === 'stored') {
        this.#records.drop(claim);
        return claim.revision;
      }
      claim.leaving = false;
      if (pipe.state === 'closed') {
        this.closed(pipe);
        return null;
      }
      // What a call that failed has done is not known: the record is looked at with the next writing.
      void this.#records.write(claim);
      if (outcome === 'failed') return null;
    }
    return null;
  }

  /** Keeps all records alive, and writes those that should be there and are not. */
  keep(): Promise<void> {
    return this.#records.keep();
  }

  async #putFence(claim: Claim): Promise<'stored' | 'refused' | 'failed'> {
    const { revision } = claim;
    try {
      const record = this.#record(claim.pipe, { state: 'moving', fence: revision + 1 });
      return (await this.#records.put(claim, record, { ifRevision: revision })).stored ? 'stored' : 'refused';
    } catch (error) {
      if (!(error instanceof StoreFailure)) this.#settings.onError(error);
      return 'failed';
    }
  }

  #claimOf(pipe: PersistentPipe): Claim | undefined {
    const key = pipeKey(pipe.id);
    return key === null ? undefined : this.#records.get(key);
  }

  /** Whose record is there? */
  async #mayWriteOver(present: StoredRecord | null): Promise<number | null> {
    const { membership } = this.#settings;
    const read = readRecord(PipeRecord, present, keyKinds.pipe);
    const owner = read?.value?.gateway ?? null;
    const theirs = owner !== null && owner !== membership.id && (await membership.findAlive(owner));
    const state = read?.value?.state;
    return theirs || state === 'parked' || state === 'over' ? null : (read?.revision ?? 0);
  }

  #record(pipe: PersistentPipe, { state, fence }: Pick<PipeRecord, 'state' | 'fence'>): PipeRecord {
    return {
      v: 1,
      state,
      gateway: this.#settings.membership.id,
      fence,
      blobBytes: 0,
      backend: pipe.backendSide.lastBackendId,
      tokens: pipe.session?.rights.tokens.map((token) => token.toString('base64url')) ?? [],
    };
  }
}
