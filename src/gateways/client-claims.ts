/**
 * Which client ids this gateway serves, in the store, so that the rule of onDuplicateClient holds over all gateways. Only of ids that clients
 * bring along. A client that comes waits until its id is written; while the store is away nobody waits, and of two that came meanwhile one is
 * closed when it is back. What a gateway has written counts while it is a member; what it has parked, until the time to live is over.
 */
import { type Static, Type } from 'typebox';
import type { Courier, Question } from '../cluster/courier.ts';
import { type KeptRecord, KeptRecords } from '../cluster/kept-records.ts';
import { blobKey, clientKey, keyKinds, pipeKey, sha256 } from '../cluster/keys.ts';
import type { Membership } from '../cluster/membership.ts';
import { ClientClaim, PipeRecord, readRecord } from '../cluster/records.ts';
import { type ClusterStore, type StoredRecord, StoreFailure } from '../cluster/store.ts';
import type { PipeState } from '../observe/vocabulary.ts';
import type { ClientRequest } from '../pipe/client-request.ts';
import { type CloseOrder, closeOrders } from '../pipe/close-orders.ts';

/** What is to be known of a pipe here. */
export interface ClaimedPipe {
  readonly id: string;
  readonly openedAt: number;
  readonly state: PipeState;
  readonly request: Pick<ClientRequest, 'clientId' | 'clientIdGiven' | 'principal'>;
  close(order: CloseOrder): void;
}

export interface ClientClaimsSettings {
  readonly store: ClusterStore;
  readonly courier: Pick<Courier, 'ask' | 'serve'>;
  readonly membership: Pick<Membership, 'id' | 'up' | 'findAlive' | 'onLook'>;
  /** What becomes of a second client with the id of a live one. */
  readonly onDuplicate: 'reject' | 'replace';
  /** Told of what is a defect of ours. */
  readonly onError: (error: unknown) => void;
}

interface Claim extends KeptRecord {
  readonly pipe: ClaimedPipe;
  readonly principal: string | null;
  /** Milliseconds since 1970. */
  readonly since: number;
  /** Told to the client that waits for it: whether it has its id. Null = nobody waits. */
  decide: ((taken: boolean) => void) | null;
}

/** Free a client id for a client of ours. */
const releaseQuestion = {
  kind: 'release-client',
  asks: Type.Object(
    {
      client: Type.String({ pattern: '^client:\\{[A-Za-z0-9_-]{43}\\}$' }),
      /** The pipe that has it, as the store says. */
      pipe: Type.String({ pattern: '^[A-Za-z0-9_-]{1,64}$' }),
      principal: ClientClaim.properties.principal,
      /** Also from one that is there: ours came later, and onDuplicateClient is 'replace'. */
      replaces: Type.Boolean(),
    },
    { additionalProperties: false },
  ),
  /** changed: it is not that pipe any more; the store says which. */
  answers: Type.Object({ result: Type.Enum(['released', 'in-use', 'changed']) }, { additionalProperties: false }),
} satisfies Question;
type Release = Static<typeof releaseQuestion.asks>;
type Released = Static<typeof releaseQuestion.answers>['result'];

export class ClientClaims {
  readonly #settings: ClientClaimsSettings;
  readonly #records: KeptRecords<Claim>;
  #unserve: () => void = () => {};

  constructor(settings: ClientClaimsSettings) {
    this.#settings = settings;
    this.#records = new KeptRecords({
      ...settings,
      kind: keyKinds.client,
      value: (claim) => this.#record(claim, 'held'),
      mayWriteOver: (claim, present) => this.#mayWriteOver(claim, present),
      // Whoever waits is told so, and closes the pipe itself.
      lost: ({ pipe, decide }) => {
        if (decide === null) pipe.close(closeOrders.replaced);
      },
    });
  }

  /** Records that are kept. */
  get size(): number {
    return this.#records.size;
  }

  start(): void {
    this.#records.start();
    this.#unserve = this.#settings.courier.serve(releaseQuestion, async (asked) => ({
      result: await this.#release(asked),
    }));
  }

  stop(): void {
    this.#unserve();
    this.#records.stop();
  }

  /** Keeps all records alive, and writes those that should be there and are not. */
  keep(): Promise<void> {
    return this.#records.keep();
  }

  /** A client comes. @returns false where a client of another gateway has the id and keeps it. Never fails. */
  take(pipe: ClaimedPipe): Promise<boolean> {
    const claim = this.#add(pipe, pipe.openedAt);
    const writing = this.#records.write(claim);
    if (claim.writing === null) return Promise.resolve(true);
    return new Promise((resolve) => {
      claim.decide = resolve;
      void writing.then((outcome) => {
        claim.decide = null;
        if (outcome === 'contended') this.#records.remove(claim);
        resolve(outcome === 'written' || outcome === 'failed');
      });
    });
  }

  /** A pipe has come from another gateway with its client, and takes the id along. */
  adopted(pipe: ClaimedPipe): void {
    if (pipe.request.clientIdGiven) void this.#records.write(this.#add(pipe, Date.now()));
  }

  /** The client is gone or going. A pipe on its way to another gateway takes the id along. Idempotent. */
  free(pipe: ClaimedPipe): void {
    const claim = this.#claimOf(pipe);
    if (claim === undefined || claim.leaving) return;
    this.#records.remove(claim);
    claim.decide?.(true);
  }

  /** The pipe goes to another gateway: nothing is written of it any more until it is parked, or `dropped`. */
  leaving(pipe: ClaimedPipe): void {
    const claim = this.#claimOf(pipe);
    if (claim !== undefined) claim.leaving = true;
  }

  /** It is parked: its client is waited for, for so long. Whoever has adopted it already has written over this. Never fails. */
  async parked(pipe: ClaimedPipe, ttlMs: number): Promise<void> {
    const claim = this.#claimOf(pipe);
    if (claim === undefined) return;
    this.#records.drop(claim);
    await claim.writing;
    const { revision: ifRevision } = claim;
    if (ifRevision === 0) return;
    try {
      await this.#records.put(claim, this.#record(claim, 'parked'), { ifRevision, ttlMs });
    } catch (error) {
      if (!(error instanceof StoreFailure)) this.#settings.onError(error);
    }
  }

  /** It could not be parked, and is over. */
  dropped(pipe: ClaimedPipe): void {
    const claim = this.#claimOf(pipe);
    if (claim !== undefined) this.#records.remove(claim);
  }

  #add(pipe: ClaimedPipe, since: number): Claim {
    const { clientId, principal } = pipe.request;
    const claim: Claim = {
      key: clientKey(clientId),
      revision: 0,
      stale: true,
      leaving: false,
      writing: null,
      pipe,
      principal: principal === null ? null : sha256(principal.id),
      since,
      decide: null,
    };
    this.#records.add(claim);
    return claim;
  }

  #claimOf(pipe: ClaimedPipe): Claim | undefined {
    const { clientId, clientIdGiven } = pipe.request;
    const claim = clientIdGiven ? this.#records.get(clientKey(clientId)) : undefined;
    return claim?.pipe === pipe ? claim : undefined;
  }

  #record({ pipe, principal, since }: Claim, state: ClientClaim['state']): ClientClaim {
    return { v: 1, state, gateway: this.#settings.membership.id, pipe: pipe.id, principal, since };
  }

  /** Whose record is there, and does he give it up? */
  async #mayWriteOver(claim: Claim, present: StoredRecord | null): Promise<number | null> {
    const { membership } = this.#settings;
    const read = readRecord(ClientClaim, present, keyKinds.client);
    const revision = read?.revision ?? 0;
    const theirs = read?.value ?? null;
    if (theirs === null || theirs.pipe === claim.pipe.id) return revision;
    if (theirs.state === 'parked') return (await this.#endParked(claim, theirs)) ? revision : null;
    // Two of our own are judged before anybody asks the store.
    if (theirs.gateway === membership.id || !(await membership.findAlive(theirs.gateway))) return revision;
    return (await this.#letsGo(claim, theirs)) ? revision : null;
  }

  /**
   * Asks the gateway that has it; what the store says may be left over from a client that has gone. One that does not answer is written over
   * where ours would replace its client, and finds out by its next keep.
   */
  async #letsGo(claim: Claim, { gateway, pipe, principal: theirs, since }: ClientClaim): Promise<boolean> {
    const { key: client, principal } = claim;
    const newer = claim.decide !== null || since < claim.since || (since === claim.since && pipe < claim.pipe.id);
    const replaces = newer && this.#settings.onDuplicate === 'replace';
    try {
      const question = { client, pipe, principal, replaces };
      const { result } = await this.#settings.courier.ask(gateway, releaseQuestion, question);
      return result !== 'in-use';
    } catch (error) {
      if (error instanceof StoreFailure) throw error;
      return replaces && theirs === principal;
    }
  }

  async #release({ client, pipe: id, principal, replaces }: Release): Promise<Released> {
    const claim = this.#records.get(client);
    if (claim === undefined) return 'released';
    const { pipe } = claim;
    if (pipe.id !== id) {
      await claim.writing;
      return 'changed';
    }
    if (claim.principal !== principal) return 'in-use';
    // One that is away and comes without its token has lost its session: a page that was loaded anew.
    if (pipe.state !== 'detached' && !(replaces && this.#settings.onDuplicate === 'replace')) return 'in-use';
    pipe.close(closeOrders.replaced);
    return 'released';
  }

  /** One that is away has lost its session: its client finds nothing when it comes. @returns false where it is back, or another principal's. */
  async #endParked(claim: Claim, theirs: ClientClaim): Promise<boolean> {
    if (theirs.principal !== claim.principal) return false;
    const { store, membership } = this.#settings;
    const key = pipeKey(theirs.pipe)!;
    const read = readRecord(PipeRecord, await store.get(key), keyKinds.pipe);
    const record = read?.value ?? null;
    if (read === null || record === null) return true;
    const { gateway, state, fence } = record;
    if (state !== 'parked') {
      // Whoever has taken it may have failed to get it whole: only itself knows. What is here was judged before the store was asked.
      if (gateway === membership.id || !(await membership.findAlive(gateway))) return true;
      return this.#letsGo(claim, { ...theirs, gateway });
    }
    if ((await store.remove(key, read.revision)) === null) return false;
    await store.remove(blobKey(theirs.pipe, fence));
    return true;
  }
}
