/**
 * The resumable side of a pipe (holdfast.v1, docs/PROTOCOL.md): who may come back to it, what has been acknowledged in both
 * directions, and the control messages.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { HopSettings } from '../heartbeat/settings.ts';
import type { TimerOwner, TimerWheel, WheelTimer } from '../heartbeat/wheel.ts';
import type { Link } from '../link/link.ts';
import {
  type ClientRecord,
  encodeRecord,
  type GatewayRecord,
  parseRecord,
  type RecordHeartbeat,
  type ResetReason,
} from '../wire/resume.ts';
import type { Downstream } from './downstream.ts';
import type { Upstream } from './upstream.ts';

/** What a token is bound to. */
export interface ResumeBinding {
  /** Origin header of the request; '' = none. */
  readonly origin: string;
  /** Null where the client id was made up by the gateway. */
  readonly clientId: string | null;
  /** Null where the host does not say who the client is. */
  readonly principalId: string | null;
}

/** Who may come back, as another gateway knows it. */
export interface ResumeRights {
  readonly binding: ResumeBinding;
  /** SHA-256 of the tokens that are valid, the present one first; one or two. */
  readonly tokens: readonly Buffer[];
  /** SHA-256 of the last ones that are not valid any more, the newest last. */
  readonly spent: readonly Buffer[];
  /** The highest number of a start that has resumed it; 0 = none, or the client does not number them. */
  readonly attempt: number;
}

export interface ResumeSessionOwner {
  readonly id: string;
  readonly upstream: Upstream;
  readonly downstream: Downstream;
  readonly agreedProtocol: string | null;
  mayAnswerPing(): boolean;
  /** The client broke the resume protocol. */
  sessionViolated(detail: string): void;
}

export interface ResumeSessionContext {
  readonly wheel: TimerWheel;
  readonly options: { readonly resume: { readonly windowMs: number } };
  readonly limits: { readonly maxBytesPerPipe: number };
}

const tokenBytes = 32;
/** Tokens that are remembered once they are not valid any more. */
export const mostSpent = 4;
/** Longest wait of what a barrier has covered for its ack, milliseconds: bursts of barriers share one. */
const ackDelayMs = 20;

export class ResumeSession implements TimerOwner {
  readonly #owner: ResumeSessionOwner;
  readonly #context: ResumeSessionContext;
  readonly #binding: ResumeBinding;
  readonly #ackTimer: WheelTimer;
  // Of tokens there are only hashes here: what is written down elsewhere lets nobody in.
  #token: Buffer | null = null;
  /** Still valid until the client's first message after the welcome that replaced it. */
  #tokenBefore: Buffer | null = null;
  /** Who comes with one of these has come late, and is not taken for a stranger. */
  #spent: readonly Buffer[];
  /** What the client came with. */
  #tokenShown: Buffer | null = null;
  #attemptShown: number;
  #attempt: number;
  #link: Link | null = null;
  #acknowledged = 0;
  #maxKeptBytes = 0;

  constructor(owner: ResumeSessionOwner, context: ResumeSessionContext, rights: ResumeRights) {
    this.#owner = owner;
    this.#context = context;
    this.#binding = rights.binding;
    this.#token = rights.tokens[0] ?? null;
    this.#tokenBefore = rights.tokens[1] ?? null;
    this.#spent = rights.spent;
    this.#attempt = this.#attemptShown = rights.attempt;
    this.#ackTimer = context.wheel.timer(this, 'ack');
    owner.downstream.keep();
  }

  get rights(): ResumeRights {
    const tokens = [this.#token, this.#tokenBefore].filter((token) => token !== null);
    return { binding: this.#binding, tokens, spent: this.#spent, attempt: this.#attempt };
  }

  /** The most that any welcome allowed: the client may have kept so much since, and sends it whatever the bound is now. */
  get maxKeptBytes(): number {
    return this.#maxKeptBytes;
  }

  /**
   * Compares in constant time. Nobody waits any more for the answer to a start that a later one of its client has overtaken: it would
   * take the session from its own client.
   * @param given hash of the token.
   * @param attempt number of the start; left out where the client does not number them.
   * @returns why it may not resume; null = it may.
   */
  refusal(given: Buffer, attempt: number | undefined, binding: ResumeBinding): 'token' | 'superseded' | null {
    const matches = (own: Buffer | null): boolean =>
      own !== null && own.length === given.length && timingSafeEqual(given, own);
    const present = matches(this.#token);
    const before = matches(this.#tokenBefore);
    const spent = this.#spent.filter(matches).length > 0;
    const { origin, clientId, principalId } = this.#binding;
    const bound = origin === binding.origin && principalId === binding.principalId;
    if (!bound || (clientId !== null && clientId !== binding.clientId)) return 'token';
    // Who has the present token has read the last welcome, whatever he counts from.
    if (!present && (before || spent) && attempt !== undefined && attempt < this.#attempt) return 'superseded';
    if (!present && !before) return 'token';
    this.#tokenShown = before ? this.#tokenBefore : this.#token;
    this.#attemptShown = attempt ?? this.#attempt;
    return null;
  }

  /** Greets the client on a new link, with a new token. @param reason why it is not the session that the client asked for. */
  welcome(link: Link, resumed: boolean, heartbeat: HopSettings, reason?: ResetReason): void {
    this.#link = link;
    const token = randomBytes(tokenBytes).toString('base64url');
    // Not always the present one: the welcome that carried it may have been lost, and this one may be too.
    if (resumed) this.#tokenBefore = this.#tokenShown;
    this.#attempt = this.#attemptShown;
    this.#token = hashToken(token);
    const { maxBytesPerPipe } = this.#context.limits;
    this.#maxKeptBytes = Math.max(this.#maxKeptBytes, maxBytesPerPipe);
    this.send({
      type: 'welcome',
      pipe: this.#owner.id,
      token,
      resumed,
      received: this.#owner.upstream.journal.received,
      protocol: this.#owner.agreedProtocol ?? '',
      heartbeat: recordHeartbeat(heartbeat),
      resumeWindowMs: this.#context.options.resume.windowMs,
      maxBufferBytes: maxBytesPerPipe,
      ...(reason !== undefined && { reason }),
    });
    // What was acknowledged while the client was away it has not heard of.
    this.#acknowledged = 0;
    this.acknowledged();
  }

  /** The client is away. */
  detach(): void {
    this.#link = null;
    this.#ackTimer.stop();
  }

  /** Any message came: the client has the token of the welcome. */
  heard(): void {
    if (this.#tokenBefore === null) return;
    this.#spent = [...this.#spent, this.#tokenBefore].slice(-mostSpent);
    this.#tokenBefore = null;
  }

  /** A text that begins with U+001E. @returns the application's message in it, or null where it was a control message. */
  record(payload: Buffer): Buffer | null {
    this.heard();
    if (payload[1] === payload[0]) return payload.subarray(1);
    const record = parseRecord(payload);
    if (typeof record === 'string') this.#owner.sessionViolated(record);
    else if (record !== null) this.#take(record);
    return null;
  }

  /** The journal toward the backend shrank. */
  acknowledged(): void {
    const { acknowledged } = this.#owner.upstream.journal;
    if (this.#link === null || acknowledged === this.#acknowledged || this.#ackTimer.active) return;
    this.#ackTimer.start(ackDelayMs);
  }

  retune(heartbeat: HopSettings): void {
    this.send({ type: 'config', heartbeat: recordHeartbeat(heartbeat) });
  }

  /** The gateway is about to close: come back after this delay, which differs for each client. */
  goAway(reconnectAfterMs: number): void {
    this.timerFired();
    this.send({ type: 'goaway', reconnectAfterMs });
  }

  send(record: GatewayRecord): void {
    this.#link?.send(encodeRecord(record));
  }

  /** For the wheel: an acknowledgement is due. */
  timerFired(): void {
    const { acknowledged } = this.#owner.upstream.journal;
    if (acknowledged === this.#acknowledged) return;
    this.#acknowledged = acknowledged;
    this.send({ type: 'ack', received: acknowledged });
  }

  #take(record: ClientRecord): void {
    if (record.type === 'ping') {
      if (this.#owner.mayAnswerPing()) this.send({ ...record, type: 'pong' });
    } else if (record.type === 'ack') {
      if (!this.#owner.downstream.acknowledge(record.received))
        this.#owner.sessionViolated('an ack of messages that were not sent');
    } else if (record.type === 'start') {
      this.#owner.sessionViolated('a second start');
    }
  }
}

/** Length says nothing: compared are hashes. */
export function hashToken(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

function recordHeartbeat({ intervalMs, timeoutMs }: HopSettings): RecordHeartbeat {
  return { intervalMs, timeoutMs };
}
