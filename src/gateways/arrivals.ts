/**
 * A pipe comes from another gateway, because its client shows a token here: where it is says its record in the store, whose revision lets
 * exactly one gateway have it.
 */
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { type Static, Type } from 'typebox';
import type { Courier, Question } from '../cluster/courier.ts';
import { blobKey, keyKinds, pipeKey, sha256 } from '../cluster/keys.ts';
import type { Membership } from '../cluster/membership.ts';
import { encodeJson, PipeRecord, type ReadRecord, readRecord } from '../cluster/records.ts';
import type { ClusterStore } from '../cluster/store.ts';
import type { Fetched } from '../pipe/claims.ts';
import type { ResumeBinding } from '../pipe/resume-session.ts';
import { fullJitterBackoff } from '../pool/backoff.ts';
import type { ResumeRequest } from '../wire/resume.ts';
import { decodeHandover } from './handover-blob.ts';

export interface ArrivalsSettings {
  readonly store: ClusterStore;
  readonly courier: Pick<Courier, 'ask'>;
  readonly membership: Pick<Membership, 'id' | 'up' | 'isAlive' | 'findAlive'>;
  /** Milliseconds that another gateway may need to hand a pipe over. */
  readonly longestMs: number;
  /** This gateway is handing the pipe over itself: until when. */
  readonly leaving: (pipeId: string) => Promise<unknown> | undefined;
  /** Before try `n` at a gateway that is busy, from 1, as many may have come to it at once, milliseconds. Default: full jitter, 250 to 2,000. */
  readonly pauseMs?: (n: number) => number;
}

const closed = { additionalProperties: false } as const;
const count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const nullable = (maxLength: number) => Type.Union([Type.String({ maxLength }), Type.Null()]);

/** Park this pipe, whose client is with us: what it has shown, and how much it has. */
export const parkQuestion = {
  kind: 'park',
  asks: Type.Object(
    {
      pipe: Type.String({ pattern: '^[A-Za-z0-9_-]{1,64}$' }),
      token: Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' }),
      origin: Type.String({ maxLength: 4096 }),
      client: nullable(4096),
      principal: nullable(4096),
      received: count,
      attempt: Type.Optional(count),
    },
    closed,
  ),
  answers: Type.Object(
    { result: Type.Enum(['parked', 'unknown', 'token', 'superseded', 'counts', 'hand-over-failed']) },
    closed,
  ),
} satisfies Question;
export type ParkAsked = Static<typeof parkQuestion.asks>;
export type ParkResult = Static<typeof parkQuestion.answers>['result'];

/** How often it is looked whether a gateway that was asked is still there, milliseconds. */
const aliveMs = 200;
/** How often a record may turn out to have changed before it is given up. */
const maxChanges = 20;
type Outcome = Fetched | 'again' | 'busy';

export class Arrivals {
  readonly #settings: Required<ArrivalsSettings>;
  /** Pipes that are being taken, by id: in the store they are ours already, and here they are not. */
  readonly #taking = new Map<string, Promise<Outcome>>();

  constructor(settings: ArrivalsSettings) {
    this.#settings = { pauseMs: fullJitterBackoff({ baseMs: 250, maxMs: 2000 }), ...settings };
  }

  /** Resolves when the pipe, if it is being taken, is here or will not come. */
  async settled(pipeId: string): Promise<void> {
    const taking = this.#taking.get(pipeId);
    if (taking === undefined) return;
    await taking.catch(() => {});
    // Whoever took it adopts it at once, in a continuation of that promise.
    await nextTurn();
  }

  /** @throws StoreFailure, and what asking another gateway throws. */
  async fetch(resume: ResumeRequest, binding: ResumeBinding): Promise<Fetched> {
    const { longestMs, pauseMs } = this.#settings;
    const until = performance.now() + longestMs;
    let changes = 0;
    let refusals = 0;
    while (changes < maxChanges && performance.now() < until) {
      const outcome = await this.#look(resume, binding);
      if (outcome === 'again') {
        changes += 1;
      } else if (outcome === 'busy') {
        refusals += 1;
        await sleep(pauseMs(refusals));
      } else {
        return outcome;
      }
    }
    return failed;
  }

  async #look(resume: ResumeRequest, binding: ResumeBinding): Promise<Outcome> {
    const { store, membership } = this.#settings;
    const key = pipeKey(resume.pipe);
    if (key === null) return unknown;
    if (!membership.up) return failed;
    const read = readRecord(PipeRecord, await store.get(key), keyKinds.pipe);
    const record = read?.value ?? null;
    if (read === null || record === null || record.state === 'over') return unknown;
    // Somebody else came here with it, just now or while we read.
    if (this.#taking.has(resume.pipe)) {
      await this.settled(resume.pipe);
      return 'again';
    }
    const knowsToken = record.tokens.includes(sha256(resume.token));
    if (record.state === 'parked') {
      return knowsToken ? this.#take(key, resume.pipe, { revision: read.revision, value: record }) : wrongToken;
    }
    if (record.gateway === membership.id) {
      const leaving = this.#settings.leaving(resume.pipe);
      if (leaving === undefined) return this.#unlessChanged(key, read.revision);
      await leaving;
      return 'again';
    }
    if (await membership.findAlive(record.gateway)) {
      const outcome = await this.#ask(record.gateway, resume, binding);
      return outcome === unknown ? this.#unlessChanged(key, read.revision) : outcome;
    }
    if (!knowsToken) return wrongToken;
    return this.#giveUp(key, { revision: read.revision, value: record });
  }

  /**
   * Whoever says that it is over begins anew. Said in the record, for its gateway may have been frozen only: of a record that is gone it
   * would think that the store has lost it. Where it has changed, that gateway has left the pipe to whoever comes before it ended.
   */
  async #giveUp(key: string, { revision, value: { backend } }: Known): Promise<Outcome> {
    const { store, membership } = this.#settings;
    const { id: gateway } = membership;
    const over: PipeRecord = { v: 1, state: 'over', gateway, fence: 0, blobBytes: 0, backend, tokens: [] };
    const value = encodeJson(key, over, keyKinds.pipe.maxBytes);
    const condition = { ifRevision: revision, ttlMs: keyKinds.pipe.ttlMs };
    const { stored } = await store.put(key, { revision: revision + 1, value }, condition);
    return stored ? { kind: 'lost', backendId: backend } : 'again';
  }

  /** Its gateway has no such pipe: it may have parked it since the record was read. */
  async #unlessChanged(key: string, revision: number): Promise<Outcome> {
    const present = await this.#settings.store.get(key);
    return present !== null && present.revision !== revision ? 'again' : unknown;
  }

  async #take(key: string, pipeId: string, known: Known): Promise<Outcome> {
    const taking = this.#tryTake(key, pipeId, known);
    this.#taking.set(pipeId, taking);
    try {
      return await taking;
    } finally {
      // Nobody begins another one while this stands.
      setImmediate(() => this.#taking.delete(pipeId));
    }
  }

  /** Exactly one of those who try gets it. */
  async #tryTake(key: string, pipeId: string, { revision, value: record }: Known): Promise<Outcome> {
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
    return failed;
  }

  async #ask(gateway: string, resume: ResumeRequest, binding: ResumeBinding): Promise<Outcome> {
    const { pipe, token, received, attempt } = resume;
    const { origin, clientId: client, principalId: principal } = binding;
    const numbered = attempt === undefined ? {} : { attempt };
    const body = { pipe, token: sha256(token), origin, client, principal, received, ...numbered };
    const asked = this.#settings.courier.ask(gateway, parkQuestion, body, { timeoutMs: this.#settings.longestMs });
    try {
      const answer = await this.#whileAlive(gateway, asked);
      if (answer === null || answer.result === 'parked') return 'again';
      return answer.result === 'unknown' ? unknown : { kind: 'none', reason: answer.result };
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'HOLDFAST_ERR_PEERS_BUSY') throw error;
      return 'busy';
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
}

type Known = ReadRecord<PipeRecord> & { readonly value: PipeRecord };

const unknown: Fetched = { kind: 'none', reason: 'unknown' };
const wrongToken: Fetched = { kind: 'none', reason: 'token' };
const failed: Fetched = { kind: 'none', reason: 'hand-over-failed' };
