/**
 * Pipes that go from one gateway to another, by the store: a pipe leaves because another gateway asks for it, or because its gateway ends;
 * it comes because its client shows a token. The record of the pipe says where it stands, its revision lets exactly one gateway have it.
 * Whatever fails on the way ends in a new session, and the client is told so.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Static, Type } from 'typebox';
import type { Courier, Question } from '../cluster/courier.ts';
import { blobKey, keyKinds, pipeKey, sha256 } from '../cluster/keys.ts';
import type { Membership } from '../cluster/membership.ts';
import { encodeJson, PipeRecord, type ReadRecord, readRecord } from '../cluster/records.ts';
import type { ClusterStore } from '../cluster/store.ts';
import type { Fetched, PipeClaims } from '../pipe/claims.ts';
import type { HandedOver, HandOverOrder } from '../pipe/hand-over.ts';
import type { PersistentPipe } from '../pipe/persistent-pipe.ts';
import type { PipeManager } from '../pipe/pipe-manager.ts';
import type { ResumeBinding } from '../pipe/resume-session.ts';
import type { ResumeRequest } from '../wire/resume.ts';
import { resumeCloseCode } from '../wire/resume.ts';
import { Claims } from './claims.ts';
import { ClientClaims } from './client-claims.ts';
import { decodeHandover, encodeHandover } from './handover-blob.ts';

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

const closed = { additionalProperties: false } as const;
const nullable = (maxLength: number) => Type.Union([Type.String({ maxLength }), Type.Null()]);

/** Park this pipe, whose client is with us: what it has shown, and how much it has. */
const parkQuestion = {
  kind: 'park',
  asks: Type.Object(
    {
      pipe: Type.String({ pattern: '^[A-Za-z0-9_-]{1,64}$' }),
      token: Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' }),
      origin: Type.String({ maxLength: 4096 }),
      client: nullable(4096),
      principal: nullable(4096),
      received: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
    },
    closed,
  ),
  answers: Type.Object({ result: Type.Enum(['parked', 'unknown', 'token', 'counts', 'hand-over-failed']) }, closed),
} satisfies Question;
type ParkResult = Static<typeof parkQuestion.answers>['result'];

/** Room in a blob for what is not frames. */
const headerBytes = 16_384;
/** How often it is looked whether a gateway that was asked is still there, milliseconds. */
const aliveMs = 200;
/** How often a record may turn out to have changed before it is given up. */
const maxRounds = 20;
/** Where others are busy: asked again after up to this long, milliseconds. */
const busyMs = 250;

type Outcome = Fetched | 'again';

export class Handovers implements PipeClaims {
  readonly claims: Claims;
  readonly clientIds: ClientClaims;
  readonly #settings: HandoversSettings;
  /** Pipes that leave this gateway, by id. */
  readonly #leaving = new Map<string, Promise<boolean>>();
  #unserve: () => void = () => {};

  constructor(settings: HandoversSettings) {
    this.#settings = settings;
    const { manager, store, courier, membership, onError } = settings;
    const { onDuplicateClient: onDuplicate } = manager.options;
    this.claims = new Claims({ store, membership, onError });
    this.clientIds = new ClientClaims({ store, courier, membership, onDuplicate, onError });
  }

  start(): void {
    this.claims.start();
    this.clientIds.start();
    this.#unserve = this.#settings.courier.serve(parkQuestion, async (asked) => ({ result: await this.#give(asked) }));
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
    const until = performance.now() + this.#longestMs;
    try {
      for (let round = 0; round < maxRounds && performance.now() < until; round += 1) {
        const outcome = await this.#look(resume, binding);
        if (outcome !== 'again') return outcome;
      }
    } catch (error) {
      this.#tell(error);
    }
    return { kind: 'none', reason: 'hand-over-failed' };
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

  // ---- a pipe comes ----

  async #look(resume: ResumeRequest, binding: ResumeBinding): Promise<Outcome> {
    const { store, membership } = this.#settings;
    const key = pipeKey(resume.pipe);
    if (key === null) return unknown;
    if (!membership.up) return { kind: 'none', reason: 'hand-over-failed' };
    const read = readRecord(PipeRecord, await store.get(key), keyKinds.pipe);
    const record = read?.value ?? null;
    if (read === null || record === null) return unknown;
    const knowsToken = record.tokens.includes(sha256(resume.token));
    if (record.state === 'parked') {
      return knowsToken ? this.#take(key, resume.pipe, { revision: read.revision, value: record }) : wrongToken;
    }
    if (record.gateway === membership.id) {
      const leaving = this.#leaving.get(resume.pipe);
      if (leaving === undefined) return this.#unlessChanged(key, read.revision);
      await leaving;
      return 'again';
    }
    if (await membership.findAlive(record.gateway)) {
      const outcome = await this.#ask(record.gateway, resume, binding);
      return outcome === unknown ? this.#unlessChanged(key, read.revision) : outcome;
    }
    if (!knowsToken) return wrongToken;
    // Whoever takes the record away begins anew. Where it has changed, the gateway has left the pipe to whoever comes before it ended.
    const taken = await store.remove(key, read.revision);
    return taken === null ? 'again' : { kind: 'lost', backendId: record.backend };
  }

  /** Its gateway has no such pipe: it may have parked it since the record was read. */
  async #unlessChanged(key: string, revision: number): Promise<Outcome> {
    const present = await this.#settings.store.get(key);
    return present !== null && present.revision !== revision ? 'again' : unknown;
  }

  /** Exactly one of those who try gets it. */
  async #take(key: string, pipeId: string, { revision, value: record }: Parked): Promise<Outcome> {
    const { store, membership } = this.#settings;
    const held: PipeRecord = { ...record, state: 'held', gateway: membership.id, fence: 0, blobBytes: 0 };
    const claim = revision + 1;
    const value = encodeJson(key, held, keyKinds.pipe.maxBytes);
    const condition = { ifRevision: revision, ttlMs: keyKinds.pipe.ttlMs };
    const answer = await store.put(key, { revision: claim, value }, condition);
    if (!answer.stored) return 'again';
    const blob = await store.remove(blobKey(pipeId, record.fence));
    const state = blob === null ? null : decodeHandover(blob.value);
    if (state !== null && state.pipeId === pipeId) return { kind: 'moved', state, claim };
    await store.remove(key, claim);
    return { kind: 'none', reason: 'hand-over-failed' };
  }

  async #ask(gateway: string, resume: ResumeRequest, binding: ResumeBinding): Promise<Outcome> {
    const { pipe, token, received } = resume;
    const { origin, clientId: client, principalId: principal } = binding;
    const body = { pipe, token: sha256(token), origin, client, principal, received };
    const asked = this.#settings.courier.ask(gateway, parkQuestion, body, { timeoutMs: this.#longestMs });
    try {
      const answer = await this.#whileAlive(gateway, asked);
      if (answer === null || answer.result === 'parked') return 'again';
      return answer.result === 'unknown' ? unknown : { kind: 'none', reason: answer.result };
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'HOLDFAST_ERR_PEERS_BUSY') throw error;
      await sleep(busyMs * Math.random());
      return 'again';
    }
  }

  /** @returns null where the gateway has ended meanwhile: it will not answer any more. */
  #whileAlive<T>(gateway: string, asked: Promise<T>): Promise<T | null> {
    return new Promise((resolve, reject) => {
      const look = setInterval(() => {
        if (this.#settings.membership.isAlive(gateway)) return;
        clearInterval(look);
        resolve(null);
      }, aliveMs);
      asked.then(resolve, reject).finally(() => clearInterval(look));
    });
  }

  // ---- a pipe leaves ----

  async #give({ pipe: id, token, origin, client, principal, received }: Asked): Promise<ParkResult> {
    const leaving = this.#leaving.get(id);
    if (leaving !== undefined) return (await leaving) ? 'parked' : 'hand-over-failed';
    const pipe = this.#settings.manager.findPipe(id);
    if (pipe?.session == null) return 'unknown';
    const binding = { origin, clientId: client, principalId: principal };
    if (!pipe.session.fits(Buffer.from(token, 'base64url'), binding)) return 'token';
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

  /** Milliseconds that a hand-over may take: two backends to be read out, one after the other, and the store. */
  get #longestMs(): number {
    const { drain, closing } = this.#settings.manager.options;
    return 2 * (drain.tailMs + closing.handshakeMs) + 5000;
  }

  /** What the store and the other gateways fail in is told by the membership, and by what becomes of the client. */
  #tell(error: unknown): void {
    const { code } = error as { code?: unknown };
    if (typeof code !== 'string' || !code.startsWith('HOLDFAST_ERR_')) this.#settings.onError(error);
  }
}

type Asked = Static<typeof parkQuestion.asks>;
type Parked = ReadRecord<PipeRecord> & { readonly value: PipeRecord };

const unknown: Fetched = { kind: 'none', reason: 'unknown' };
const wrongToken: Fetched = { kind: 'none', reason: 'token' };
