/**
 * Pipes that go from one gateway to another, by the store: a pipe leaves because another gateway asks for it, or because its gateway ends;
 * how it comes is in arrivals.ts. Whatever fails on the way ends in a new session, and the client is told so.
 */
import type { Courier } from '../cluster/courier.ts';
import { blobKey, keyKinds, pipeKey } from '../cluster/keys.ts';
import type { Membership } from '../cluster/membership.ts';
import { encodeJson, type PipeRecord } from '../cluster/records.ts';
import type { ClusterStore } from '../cluster/store.ts';
import type { Fetched, PipeClaims } from '../pipe/claims.ts';
import type { HandedOver, HandOverOrder } from '../pipe/hand-over.ts';
import type { PersistentPipe } from '../pipe/persistent-pipe.ts';
import type { PipeManager } from '../pipe/pipe-manager.ts';
import type { ResumeBinding } from '../pipe/resume-session.ts';
import type { ResumeRequest } from '../wire/resume.ts';
import { resumeCloseCode } from '../wire/resume.ts';
import { Arrivals, type ParkAsked, type ParkResult, parkQuestion } from './arrivals.ts';
import { Claims } from './claims.ts';
import { ClientClaims } from './client-claims.ts';
import { encodeHandover } from './handover-blob.ts';

export interface HandoversSettings {
  readonly manager: PipeManager;
  readonly store: ClusterStore;
  readonly courier: Courier;
  readonly membership: Membership;
  /** Most bytes of a pipe on its way. */
  readonly maxBytes: number;
  /** Told of what is a defect of ours. */
  readonly onError: (error: unknown) => void;
}

/** Room in a blob for what is not frames. */
const headerBytes = 16_384;

export class Handovers implements PipeClaims {
  readonly claims: Claims;
  readonly clientIds: ClientClaims;
  readonly #settings: HandoversSettings;
  readonly #arrivals: Arrivals;
  /** Longest time of a hand-over, for who asks and for who is asked, milliseconds. */
  readonly #longestMs: number;
  /** Pipes that leave this gateway, by id. */
  readonly #leaving = new Map<string, Promise<boolean>>();
  #unserve: () => void = () => {};

  constructor(settings: HandoversSettings) {
    this.#settings = settings;
    const { manager, store, courier, membership, onError } = settings;
    const { onDuplicateClient: onDuplicate, drain, closing } = manager.options;
    this.claims = new Claims({ store, membership, onError });
    this.clientIds = new ClientClaims({ store, courier, membership, onDuplicate, onError });
    // Two backends to be read out, one after the other, and the store.
    const longestMs = 2 * (drain.tailMs + closing.handshakeMs) + 5000;
    this.#longestMs = longestMs;
    const leaving = (pipeId: string) => this.#leaving.get(pipeId);
    this.#arrivals = new Arrivals({ store, courier, membership, longestMs, leaving });
  }

  start(): void {
    this.claims.start();
    this.clientIds.start();
    this.#unserve = this.#settings.courier.serve(
      parkQuestion,
      async (asked) => ({ result: await this.#give(asked) }),
      this.#longestMs,
    );
  }

  stop(): void {
    this.#unserve();
    this.claims.stop();
    this.clientIds.stop();
  }

  // ---- of PipeClaims ----

  takeClientId(pipe: PersistentPipe): Promise<boolean> {
    return this.clientIds.take(pipe);
  }

  freeClientId(pipe: PersistentPipe): void {
    this.clientIds.free(pipe);
  }

  held(pipe: PersistentPipe): void {
    this.claims.held(pipe);
  }

  adopted(pipe: PersistentPipe, claim: number): void {
    this.claims.held(pipe, claim);
    this.clientIds.adopted(pipe);
  }

  closed(pipe: PersistentPipe): void {
    this.claims.closed(pipe);
  }

  async fetch(resume: ResumeRequest, binding: ResumeBinding): Promise<Fetched> {
    try {
      return await this.#arrivals.fetch(resume, binding);
    } catch (error) {
      this.#tell(error);
      return { kind: 'none', reason: 'hand-over-failed' };
    }
  }

  park(pipe: PersistentPipe, order: Omit<HandOverOrder, 'maxBytes'>): Promise<boolean> {
    const before = this.#leaving.get(pipe.id);
    if (before !== undefined) return before;
    const leaving = this.#park(pipe, order)
      .catch((error: unknown) => {
        this.#tell(error);
        return false;
      })
      .finally(() => this.#leaving.delete(pipe.id));
    this.#leaving.set(pipe.id, leaving);
    return leaving;
  }

  // ---- a pipe leaves ----

  async #give({ pipe: id, token, attempt, origin, client, principal, received }: ParkAsked): Promise<ParkResult> {
    const leaving = this.#leaving.get(id);
    if (leaving !== undefined) return (await leaving) ? 'parked' : 'hand-over-failed';
    if (this.#settings.manager.findPipe(id) === undefined) await this.#arrivals.settled(id);
    const pipe = this.#settings.manager.findPipe(id);
    if (pipe?.session == null) return 'unknown';
    const binding = { origin, clientId: client, principalId: principal };
    const refusal = pipe.session.refusal(Buffer.from(token, 'base64url'), attempt, binding);
    if (refusal !== null) return refusal;
    if (!pipe.canResume(received)) return 'counts';
    const order = { code: resumeCloseCode.resumedElsewhere, text: 'resumed on another connection' };
    return (await this.park(pipe, order)) ? 'parked' : 'hand-over-failed';
  }

  async #park(pipe: PersistentPipe, order: Omit<HandOverOrder, 'maxBytes'>): Promise<boolean> {
    if (!this.#settings.membership.up) return false;
    const fence = await this.claims.fence(pipe);
    if (fence === null) return false;
    this.clientIds.leaving(pipe);
    let parked = false;
    try {
      parked = await this.#writeDown(pipe, fence, order);
    } finally {
      if (!parked) this.clientIds.dropped(pipe);
    }
    if (parked) await this.clientIds.parked(pipe, this.#windowMs);
    return parked;
  }

  /** @returns false where it is lost. */
  async #writeDown(pipe: PersistentPipe, fence: number, order: Omit<HandOverOrder, 'maxBytes'>): Promise<boolean> {
    const { store, maxBytes } = this.#settings;
    const key = pipeKey(pipe.id)!;
    const state = await pipe.handOver({ ...order, maxBytes: Math.max(0, maxBytes - headerBytes) });
    const blob = state === null ? null : encodeHandover(state, maxBytes);
    if (state === null || blob === null) {
      await store.remove(key, fence);
      return false;
    }
    const ttlMs = this.#windowMs;
    const name = blobKey(pipe.id, fence);
    await store.put(name, { revision: fence, value: blob }, { ifRevision: 0, ttlMs });
    const value = encodeJson(key, this.#parked(state, fence, blob.length), keyKinds.pipe.maxBytes);
    const answer = await store.put(key, { revision: fence + 1, value }, { ifRevision: fence, ttlMs });
    if (!answer.stored) await store.remove(name);
    return answer.stored;
  }

  #parked({ backendId: backend, rights }: HandedOver, fence: number, blobBytes: number): PipeRecord {
    const tokens = rights.tokens.map((token) => token.toString('base64url'));
    return { v: 1, state: 'parked', gateway: this.#settings.membership.id, fence, blobBytes, backend, tokens };
  }

  /** Milliseconds that a parked pipe is kept. */
  get #windowMs(): number {
    return Math.max(1, Math.min(this.#settings.manager.options.resume.windowMs, keyKinds.blob.ttlMs));
  }

  /** What the store and the other gateways fail in is told by the membership, and by what becomes of the client. */
  #tell(error: unknown): void {
    const { code } = error as { code?: unknown };
    if (typeof code !== 'string' || !code.startsWith('HOLDFAST_ERR_')) this.#settings.onError(error);
  }
}
