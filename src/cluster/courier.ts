/**
 * What gateways say to each other: hints that something has changed, requests to one gateway or to all, and the answers. All of it may be
 * lost, so every request ends in time, and nobody relies on a hint. What comes is checked by the schemas of its kind before anybody sees it.
 */
import type { Static, TSchema } from 'typebox';
import { PeerFailed, PeerSilent, PeersBusy } from '../errors.ts';
import { startDeadline } from './deadline.ts';
import { allChannel, gatewayChannel } from './keys.ts';
import { fits, refusal, unwrap } from './peer-answer.ts';
import { decodeJson, Envelope, encodeJson, maxEnvelopeBytes, type PeerAnswer } from './records.ts';
import { type ClusterStore, StoreFailure } from './store.ts';

/** A kind of request: what is asked, and what is answered. `kind` is 1 to 32 of a-z and -. */
export interface Question<Q extends TSchema = TSchema, A extends TSchema = TSchema> {
  readonly kind: string;
  readonly asks: Q;
  readonly answers: A;
}

/** A kind of hint. */
export interface Hint<S extends TSchema = TSchema> {
  readonly kind: string;
  readonly says: S;
}

export interface CourierSettings {
  readonly store: ClusterStore;
  /** This gateway. */
  readonly id: string;
  /** The gateways that are there now; this one is left out where all are asked. */
  readonly gateways: () => readonly string[];
  /** Told of what a listener or a handler threw that is a defect of ours. */
  readonly onError: (error: unknown) => void;
}

export interface AskOptions {
  /** Longest wait for an answer, milliseconds. Default 1,000. */
  readonly timeoutMs?: number;
}

export interface AskAllOptions<T> extends AskOptions {
  /** An answer with which the others need not be waited for any more; they are not missing then. */
  readonly enough?: (answer: T) => boolean;
}

export interface PeerReply<T> {
  readonly gateway: string;
  readonly answer: T;
}

export interface AllAnswers<T> {
  /** In the order of the gateways' ids. */
  readonly answers: readonly PeerReply<T>[];
  /** Gateways that did not answer in time, or could not. */
  readonly missing: readonly string[];
}

interface Serving {
  readonly question: Question;
  readonly handler: (body: unknown, from: string) => unknown;
  readonly timeoutMs: number;
  serving: number;
}

/** Where the answers to one request go. */
interface Waiting {
  take(from: string, body: unknown, bytes: number): void;
  end(failure: StoreFailure): void;
}

export const courierBounds = {
  /** Requests of ours under way. */
  asking: 1000,
  /** Requests of others that are being answered, of each kind: one that takes long keeps no other waiting. */
  serving: 256,
  /** Bytes of all answers to one request to all. */
  answerBytes: 33_554_432,
  /** What others ask is given up after that, milliseconds, unless it is served with another time. */
  serveMs: 60_000,
} as const;

const defaultTimeoutMs = 1000;

export class Courier {
  readonly id: string;
  readonly #settings: CourierSettings;
  readonly #served = new Map<string, Serving>();
  readonly #hinted = new Map<string, Set<(body: unknown, from: string) => void>>();
  readonly #gaps = new Set<() => void>();
  readonly #waiting = new Map<number, Waiting>();
  #subscriptions: (() => void)[] = [];
  #asked = 0;
  #state: 'new' | 'running' | 'stopped' = 'new';

  constructor(settings: CourierSettings) {
    this.id = settings.id;
    this.#settings = settings;
  }

  /** Begins to listen. Idempotent. */
  start(): void {
    if (this.#state !== 'new') return;
    this.#state = 'running';
    const { store } = this.#settings;
    const gap = (): void => this.#tellGap();
    this.#subscriptions = [
      store.subscribe(allChannel, { message: (payload) => this.#hear(payload), gap }),
      store.subscribe(gatewayChannel(this.id), { message: (payload) => this.#hear(payload), gap }),
    ];
  }

  /** Ends all requests under way. Idempotent. */
  stop(): void {
    this.#state = 'stopped';
    for (const end of this.#subscriptions) end();
    this.#subscriptions = [];
    for (const waiting of [...this.#waiting.values()]) waiting.end(new StoreFailure('closed'));
  }

  /** Tells all other gateways, as far as that can be done. */
  hint<S extends TSchema>({ kind }: Hint<S>, body: Static<S>): void {
    if (this.#state !== 'running') return;
    this.#send(allChannel, 'hint', 0, kind, body).catch((error: unknown) => this.#report(error));
  }

  /** `listener` hears the hints of others; the answer stops it. */
  onHint<S extends TSchema>({ kind, says }: Hint<S>, listener: (body: Static<S>, from: string) => void): () => void {
    const all = this.#hinted.get(kind) ?? new Set();
    this.#hinted.set(kind, all);
    const own = (body: unknown, from: string): void => {
      if (fits(says, body)) listener(body as Static<S>, from);
    };
    all.add(own);
    return () => all.delete(own);
  }

  /** `listener` hears where hints may have been lost; the answer stops it. */
  onGap(listener: () => void): () => void {
    this.#gaps.add(listener);
    return () => this.#gaps.delete(listener);
  }

  /**
   * Answers a kind of request, from now on. What `handler` throws with a code and a status of 400 to 599 the asking gateway throws too;
   * the rest is told to `onError` here and is PEER_FAILED there. The answer stops it.
   * @param timeoutMs after that it is given up. Default 60,000.
   */
  serve<Q extends TSchema, A extends TSchema>(
    question: Question<Q, A>,
    handler: (body: Static<Q>, from: string) => Static<A> | Promise<Static<A>>,
    timeoutMs: number = courierBounds.serveMs,
  ): () => void {
    if (this.#served.has(question.kind)) throw new RangeError(`${question.kind} is served already`);
    this.#served.set(question.kind, { question, handler: handler as Serving['handler'], timeoutMs, serving: 0 });
    return () => this.#served.delete(question.kind);
  }

  /**
   * Asks one other gateway.
   * @throws HOLDFAST_ERR_PEER_SILENT, HOLDFAST_ERR_PEER_FAILED, HOLDFAST_ERR_PEERS_BUSY, HOLDFAST_ERR_STORE_UNAVAILABLE, and what the
   * other one threw.
   */
  ask<Q extends TSchema, A extends TSchema>(
    gateway: string,
    { kind, answers }: Question<Q, A>,
    body: Static<Q>,
    { timeoutMs = defaultTimeoutMs }: AskOptions = {},
  ): Promise<Static<A>> {
    return new Promise((resolve, reject) => {
      const id = this.#open();
      const settle = (): void => {
        endDeadline();
        this.#waiting.delete(id);
      };
      const fail = (error: unknown): void => {
        settle();
        reject(error);
      };
      const endDeadline = startDeadline(timeoutMs, () => fail(new PeerSilent(gateway, timeoutMs)));
      this.#waiting.set(id, {
        take: (from, given) => {
          if (from !== gateway) return;
          try {
            const answer = unwrap(gateway, answers, given);
            settle();
            resolve(answer);
          } catch (error) {
            fail(error);
          }
        },
        end: fail,
      });
      this.#send(gatewayChannel(gateway), 'request', id, kind, body).catch(fail);
    });
  }

  /**
   * Asks all other gateways at once, with one message. Never fails for what one of them does.
   * @throws HOLDFAST_ERR_PEERS_BUSY, HOLDFAST_ERR_STORE_UNAVAILABLE
   */
  askAll<Q extends TSchema, A extends TSchema>(
    { kind, answers }: Question<Q, A>,
    body: Static<Q>,
    { timeoutMs = defaultTimeoutMs, enough = () => false }: AskAllOptions<Static<A>> = {},
  ): Promise<AllAnswers<Static<A>>> {
    return new Promise((resolve, reject) => {
      const open = new Set(this.#settings.gateways().filter((gateway) => gateway !== this.id));
      if (open.size === 0) {
        resolve({ answers: [], missing: [] });
        return;
      }
      const id = this.#open();
      const given: PeerReply<Static<A>>[] = [];
      const missing: string[] = [];
      let room: number = courierBounds.answerBytes;
      const settle = (): void => {
        endDeadline();
        this.#waiting.delete(id);
      };
      const finish = (): void => {
        settle();
        given.sort((a, b) => (a.gateway < b.gateway ? -1 : 1));
        resolve({ answers: given, missing: [...missing, ...open].sort() });
      };
      const fail = (error: unknown): void => {
        settle();
        reject(error);
      };
      const endDeadline = startDeadline(timeoutMs, finish);
      this.#waiting.set(id, {
        take: (from, wrapped, bytes) => {
          if (!open.delete(from)) return;
          room -= bytes;
          try {
            if (room < 0) throw new PeerFailed(from, 'there was no room for its answer');
            const answer = unwrap(from, answers, wrapped);
            given.push({ gateway: from, answer });
            if (enough(answer)) open.clear();
          } catch {
            missing.push(from);
          }
          if (open.size === 0) finish();
        },
        end: fail,
      });
      this.#send(allChannel, 'request', id, kind, body).catch(fail);
    });
  }

  /** @throws HOLDFAST_ERR_PEERS_BUSY, HOLDFAST_ERR_STORE_UNAVAILABLE */
  #open(): number {
    if (this.#state !== 'running') throw new StoreFailure('closed');
    if (this.#waiting.size >= courierBounds.asking) throw new PeersBusy(courierBounds.asking);
    this.#asked += 1;
    return this.#asked;
  }

  async #send(channel: string, type: Envelope['type'], id: number, kind: string, body: unknown): Promise<void> {
    const envelope: Envelope = { v: 1, type, from: this.id, id, kind, body };
    await this.#settings.store.publish(channel, encodeJson(`a ${type} of ${kind}`, envelope, maxEnvelopeBytes));
  }

  #hear(payload: Buffer): void {
    const envelope = decodeJson(Envelope, payload, maxEnvelopeBytes);
    if (envelope === null || envelope.from === this.id || this.#state !== 'running') return;
    const { type, from, id, kind, body } = envelope;
    try {
      if (type === 'answer') this.#waiting.get(id)?.take(from, body, payload.length);
      else if (type === 'request') void this.#answer(envelope);
      else for (const listener of [...(this.#hinted.get(kind) ?? [])]) listener(body, from);
    } catch (error) {
      this.#settings.onError(error);
    }
  }

  async #answer({ from, id, kind, body }: Envelope): Promise<void> {
    const answer = await this.#makeAnswer(kind, body, from);
    if (this.#state !== 'running') return;
    const channel = gatewayChannel(from);
    try {
      await this.#send(channel, 'answer', id, kind, answer);
    } catch (error) {
      this.#report(error);
      // Too big: the other one need not wait to hear that.
      await this.#send(channel, 'answer', id, kind, refusal(error)).catch(() => {});
    }
  }

  async #makeAnswer(kind: string, body: unknown, from: string): Promise<PeerAnswer> {
    const served = this.#served.get(kind);
    if (served === undefined) return refusal(new PeerFailed(this.id, `it knows no request of the kind ${kind}`));
    if (!fits(served.question.asks, body))
      return refusal(new PeerFailed(this.id, `the request of the kind ${kind} does not fit its schema`));
    if (served.serving >= courierBounds.serving) return refusal(new PeersBusy(courierBounds.serving));
    served.serving += 1;
    const { timeoutMs } = served;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new PeerSilent(this.id, timeoutMs)), timeoutMs).unref();
    });
    try {
      return { answer: (await Promise.race([served.handler(body, from), late])) ?? null };
    } catch (error) {
      const told = refusal(error);
      if (told.error.code === 'HOLDFAST_ERR_PEER_FAILED') this.#settings.onError(error);
      return told;
    } finally {
      clearTimeout(timer);
      served.serving -= 1;
    }
  }

  /** That the store cannot be reached, is told by the membership. */
  #report(error: unknown): void {
    if (!(error instanceof StoreFailure)) this.#settings.onError(error);
  }

  #tellGap(): void {
    for (const listener of [...this.#gaps]) {
      try {
        listener();
      } catch (error) {
        this.#settings.onError(error);
      }
    }
  }
}
