/**
 * Which resumable pipes this gateway has, in the store: one record for each, written when it begins and when its tokens change, removed when
 * it closes, kept alive in batches. A record counts while its gateway is a member; its revision is the fence: who cannot write over it any
 * more has lost the pipe, and closes it. Nothing here is waited for by a client.
 */
import { firstRevision, keyKinds, pipeKey } from '../cluster/keys.ts';
import type { Membership } from '../cluster/membership.ts';
import { encodeJson, PipeRecord, readRecord } from '../cluster/records.ts';
import { type ClusterStore, type StoredRecord, StoreFailure, storeBounds } from '../cluster/store.ts';
import type { PersistentPipe } from '../pipe/persistent-pipe.ts';
import { closeCode } from '../wire/close-codes.ts';

export interface ClaimsSettings {
  readonly store: ClusterStore;
  readonly membership: Membership;
  /** Told of what is a defect of ours. */
  readonly onError: (error: unknown) => void;
}

interface Claim {
  readonly pipe: PersistentPipe;
  readonly key: string;
  /** Of the record that is ours; 0 = none is known. */
  revision: number;
  /** What is written is not what should be. */
  stale: boolean;
  /** It goes to another gateway: its record is not ours to write any more. */
  leaving: boolean;
  /** The writing under way. */
  writing: Promise<void> | null;
}

/** Between two rounds that keep all records, milliseconds. */
export const keepMs = keyKinds.pipe.ttlMs / 3;

export class Claims {
  readonly #settings: ClaimsSettings;
  readonly #claims = new Map<string, Claim>();
  #timer: NodeJS.Timeout | null = null;
  #unlook: () => void = () => {};

  constructor(settings: ClaimsSettings) {
    this.#settings = settings;
  }

  /** Records that are kept. */
  get size(): number {
    return this.#claims.size;
  }

  start(): void {
    this.#unlook = this.#settings.membership.onLook((reason) => {
      if (reason !== 'started') void this.keep();
    });
    this.#timer = setInterval(() => void this.keep(), keepMs).unref();
  }

  stop(): void {
    this.#unlook();
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  /** The pipe is here; its record is written behind it. @param revision of a record that is ours already. */
  held(pipe: PersistentPipe, revision?: number): void {
    const key = pipeKey(pipe.id);
    if (key === null) return;
    const claim = this.#claims.get(pipe.id) ?? {
      pipe,
      key,
      revision: revision ?? 0,
      stale: false,
      leaving: false,
      writing: null,
    };
    this.#claims.set(pipe.id, claim);
    claim.stale = revision === undefined;
    if (claim.stale) this.#write(claim);
  }

  /** The pipe has closed: its record goes, unless it is on its way to another gateway. */
  closed(pipe: PersistentPipe): void {
    const claim = this.#claims.get(pipe.id);
    if (claim === undefined || claim.leaving) return;
    this.#claims.delete(pipe.id);
    claim.leaving = true;
    const remove = async (): Promise<void> => {
      await claim.writing;
      if (claim.revision > 0) await this.#settings.store.remove(claim.key, claim.revision);
    };
    this.#report(remove());
  }

  /**
   * From here no other gateway believes that this one has the pipe, and this one believes it neither.
   * @returns the revision of the fence; null = the pipe is not ours, or the store does not say so: then nothing is changed here.
   */
  async fence(pipe: PersistentPipe): Promise<number | null> {
    const claim = this.#claims.get(pipe.id);
    if (claim === undefined || claim.leaving) return null;
    claim.leaving = true;
    await claim.writing;
    if (claim.revision === 0) await this.#writeOnce(claim);
    const fence = claim.revision + 1;
    const record = this.#record(claim, { state: 'moving', fence });
    if (claim.revision > 0 && (await this.#put(claim, fence, record))) {
      this.#claims.delete(pipe.id);
      return fence;
    }
    // What a call that failed has done is not known: the record is looked at with the next writing.
    claim.stale = true;
    claim.leaving = false;
    if (pipe.state === 'closed') this.closed(pipe);
    return null;
  }

  /** Keeps all records alive, and writes those that should be there and are not. */
  async keep(): Promise<void> {
    const { store, membership } = this.#settings;
    if (!membership.up) return;
    const all = [...this.#claims.values()];
    for (let at = 0; at < all.length; at += storeBounds.claims) {
      const batch = all.slice(at, at + storeBounds.claims).filter(({ leaving }) => !leaving);
      const known = batch.filter(({ revision }) => revision > 0);
      try {
        const kept = await store.touch(known, keyKinds.pipe.ttlMs);
        known.forEach((claim, index) => {
          if (kept[index] === false) claim.stale = true;
        });
      } catch (error) {
        this.#tell(error);
        return;
      }
      for (const claim of batch) if (claim.stale && !claim.leaving) this.#write(claim);
    }
  }

  #write(claim: Claim): void {
    if (claim.writing !== null || !this.#settings.membership.up) return;
    claim.writing = this.#writeOnce(claim).finally(() => {
      claim.writing = null;
      if (claim.stale && !claim.leaving && claim.revision > 0) this.#write(claim);
    });
  }

  /** Leaves `stale` set where the store cannot be asked: the next round tries again. */
  async #writeOnce(claim: Claim): Promise<void> {
    // Once more where somebody else's void record, or one of ours that we were not told of, was in the way.
    for (let round = 0; round < 3; round += 1) {
      claim.stale = false;
      const revision = claim.revision === 0 ? firstRevision() : claim.revision + 1;
      const outcome = await this.#put(claim, revision, this.#record(claim, { state: 'held', fence: 0 }));
      if (outcome) return;
      if (outcome === null) break;
    }
    claim.stale = true;
  }

  /** @returns true = written; false = another revision was there, which is to be written over now; null = not, and not to be tried again now. */
  async #put(claim: Claim, revision: number, record: PipeRecord): Promise<boolean | null> {
    const { store } = this.#settings;
    try {
      const value = encodeJson(claim.key, record, keyKinds.pipe.maxBytes);
      const condition = { ifRevision: claim.revision, ttlMs: keyKinds.pipe.ttlMs };
      const answer = await store.put(claim.key, { revision, value }, condition);
      if (answer.stored) {
        claim.revision = revision;
        return true;
      }
      return (await this.#mayWriteOver(claim, answer.present)) ? false : null;
    } catch (error) {
      this.#tell(error);
      return null;
    }
  }

  /** Whose record is there? The pipe is closed where another gateway has it. */
  async #mayWriteOver(claim: Claim, present: StoredRecord | null): Promise<boolean> {
    const { membership } = this.#settings;
    const read = readRecord(PipeRecord, present, keyKinds.pipe);
    const owner = read?.value?.gateway ?? null;
    const theirs = owner !== null && owner !== membership.id && (await membership.findAlive(owner));
    const parked = read?.value?.state === 'parked';
    if (!theirs && !parked) {
      claim.revision = read?.revision ?? 0;
      return true;
    }
    this.#claims.delete(claim.pipe.id);
    claim.leaving = true;
    const text = 'another gateway has this session';
    claim.pipe.close({ code: closeCode.serviceRestart, text, reason: 'moved', initiator: 'gateway', deliver: false });
    return false;
  }

  #record({ pipe }: Claim, { state, fence }: Pick<PipeRecord, 'state' | 'fence'>): PipeRecord {
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

  #report(done: Promise<void>): void {
    done.catch((error: unknown) => this.#tell(error));
  }

  /** That the store cannot be reached is told by the membership. */
  #tell(error: unknown): void {
    if (!(error instanceof StoreFailure)) this.#settings.onError(error);
  }
}
