/**
 * The heartbeat of one link: pings it, and says when its peer is late or gone. It ends nothing itself and knows neither
 * sockets nor pipes. Pings go by real time; the peer is judged by the wheel's fair clock, which forgives our own stalls.
 *
 * Who is judged by what:
 *   nothing buffered, read    silence: no byte came for `timeoutMs`
 *   nothing buffered, paused  not judged: a paused link hides its pongs
 *   bytes buffered            progress: no byte was taken for `timeoutMs`; our ping may lie behind them
 */
import type { HopSettings } from './settings.ts';
import type { TimerOwner, TimerWheel, WheelTimer } from './wheel.ts';

/** What is needed of a Link; all times by the wheel's fair clock. */
export interface HeartbeatLink {
  readonly paused: boolean;
  readonly bufferedBytes: number;
  /** When the last byte came or reading was taken up again, whichever is later. */
  readonly receivedAt: number;
  /** When the peer last took a byte, or had nothing left to take. */
  readonly progressAt: number;
  rttMs: number | null;
  ping(payload: Buffer): void;
}

export type HeartbeatForm = 'rfc6455' | 'json';
export type TimeoutCause = 'silence' | 'no-progress';

export interface HeartbeatOwner<L extends HeartbeatLink = HeartbeatLink> {
  /** Sends {"type":"ping"} to the client; asked only of those made with `jsonPings`. */
  sendJsonPing(link: L): void;
  heartbeatPing(link: L, form: HeartbeatForm): void;
  heartbeatPong(link: L, rttMs: number, form: HeartbeatForm): void;
  /** A warning, at most once an interval: no byte came between two pings, nor for at least an interval. */
  heartbeatMissed(link: L, silentMs: number): void;
  /** Once; the heartbeat has stopped. The owner drops the link. */
  heartbeatTimedOut(link: L, silentMs: number, cause: TimeoutCause): void;
}

export interface HeartbeatParts<L extends HeartbeatLink> {
  readonly wheel: TimerWheel;
  readonly link: L;
  readonly owner: HeartbeatOwner<L>;
  readonly settings: HopSettings;
  /** 0 to 1: the first ping goes after this part of an interval, and so again after each change of the settings. */
  readonly phase: number;
  /** JSON pings apply to this link; they are sent while the settings say `json: 'on'`. Default false. */
  readonly jsonPings?: boolean;
}

/** 'HFhb' as a big-endian number: the first four bytes of our pings, a uint32 sequence number follows. */
const pingPrefix = 0x48_46_68_62;
const pingBytes = 8;
/** Where the heartbeat is off, bytes we cannot get rid of are waited for so long, milliseconds. */
const progressTimeoutMs = 30_000;
/** Bytes buffered right after a write (TLS, cork) are no blockage yet: look again after so many milliseconds. */
const secondLookMs = 50;
/**
 * Pings of many links go together, in so many portions an interval or, where those were further apart than this many milliseconds, in
 * more: to wake a thread that sleeps costs as much as several pings. Below the step of the wheel it makes no difference.
 */
const slotsPerInterval = 100;
const maxGridMs = 250;
/** Rounding errors of sums of milliseconds. */
const epsilonMs = 0.001;

export class Heartbeat<L extends HeartbeatLink = HeartbeatLink> implements TimerOwner {
  readonly #wheel: TimerWheel;
  readonly #link: L;
  readonly #owner: HeartbeatOwner<L>;
  readonly #phase: number;
  readonly #jsonPings: boolean;
  readonly #timer: WheelTimer;
  #settings: HopSettings;
  #running = false;
  /** suspect: bytes were buffered at the last look. blocked: at two looks in a row. */
  #flow: 'clear' | 'suspect' | 'blocked' = 'clear';
  /** Real time. */
  #nextPingAt = 0;
  /** Silence does not count before this; fair time. */
  #judgedFrom = 0;
  /** Last ping under these settings, by the fair clock; negative = none. */
  #pingedAt = -1;
  /** Sequence numbers of the last ping and of the last that was answered: between them are the outstanding ones. */
  #sent = 0;
  #answered = 0;
  /** Real times of the last and of the first outstanding ping. */
  #lastSentAt = 0;
  #firstSentAt = 0;
  /** Real time of the JSON ping not answered yet; negative = none. */
  #jsonSentAt = -1;

  constructor(parts: HeartbeatParts<L>) {
    this.#wheel = parts.wheel;
    this.#link = parts.link;
    this.#owner = parts.owner;
    this.#settings = parts.settings;
    this.#phase = parts.phase;
    this.#jsonPings = parts.jsonPings ?? false;
    this.#timer = parts.wheel.timer(this, 'heartbeat');
  }

  /** Begins, or begins anew after `stop`. */
  start(): void {
    if (this.#running) return;
    this.#running = true;
    this.#flow = 'clear';
    this.#answered = this.#sent;
    this.#jsonSentAt = -1;
    this.#begin();
  }

  /** Idempotent. */
  stop(): void {
    this.#running = false;
    this.#timer.stop();
  }

  /**
   * Takes other settings at once: the next ping comes after `phase` of the new interval, silence counts from now, because
   * under the old settings the peer may have had no ping to answer. The same interval and timeout change no timing.
   */
  retune(settings: HopSettings): void {
    const before = this.#settings;
    this.#settings = settings;
    if (settings.intervalMs === before.intervalMs && settings.timeoutMs === before.timeoutMs) return;
    if (this.#running) this.#begin();
  }

  /** True if it answers a ping of this heartbeat: the first outstanding one or, with all before it, a later one. */
  pong(payload: Buffer): boolean {
    if (!this.#running || payload.length !== pingBytes || payload.readUInt32BE(0) !== pingPrefix) return false;
    const sequence = payload.readUInt32BE(4);
    const outstanding = this.#outstanding;
    const nth = (sequence - this.#answered) >>> 0;
    if (nth === 0 || nth > outstanding) return false;
    // Known are the first and the last; those between went out at even distances.
    const step = outstanding > 1 ? (this.#lastSentAt - this.#firstSentAt) / (outstanding - 1) : 0;
    const sentAt = nth === outstanding ? this.#lastSentAt : this.#firstSentAt + step * (nth - 1);
    this.#answered = sequence;
    this.#firstSentAt = sentAt + step;
    this.#answer(this.#wheel.now() - sentAt, 'rfc6455');
    return true;
  }

  /** True while a JSON ping of ours is outstanding: only then is {"type":"pong"} an answer to us. */
  jsonPong(): boolean {
    if (!this.#running || this.#jsonSentAt < 0) return false;
    const rttMs = this.#wheel.now() - this.#jsonSentAt;
    this.#jsonSentAt = -1;
    this.#answer(rttMs, 'json');
    return true;
  }

  /** For the wheel. */
  timerFired(): void {
    const fair = this.#wheel.fairNow();
    this.#look(fair);
    const leftMs = this.#untilVerdict(fair);
    if (leftMs <= epsilonMs) {
      this.stop();
      this.#owner.heartbeatTimedOut(
        this.#link,
        this.#timeoutMs - Math.min(0, leftMs),
        this.#flow === 'clear' ? 'silence' : 'no-progress',
      );
      return;
    }
    const now = this.#wheel.now();
    if (this.#settings.intervalMs > 0) this.#pingIfDue(now, fair, leftMs);
    if (this.#running) this.#arm(now, leftMs);
  }

  get #outstanding(): number {
    return (this.#sent - this.#answered) >>> 0;
  }

  get #timeoutMs(): number {
    return this.#settings.intervalMs > 0 ? this.#settings.timeoutMs : progressTimeoutMs;
  }

  /** The next ping may come too late to be answered before the verdict: then one goes at half the timeout as well. */
  get #pingsAreRare(): boolean {
    return this.#settings.timeoutMs < 2 * this.#settings.intervalMs;
  }

  #begin(): void {
    const fair = this.#wheel.fairNow();
    const now = this.#wheel.now();
    this.#judgedFrom = fair;
    this.#pingedAt = -1;
    const { intervalMs } = this.#settings;
    const gridMs = Math.min(intervalMs / slotsPerInterval, maxGridMs);
    // Off, there is no grid and no ping.
    this.#nextPingAt = gridMs > 0 ? Math.ceil((now + this.#phase * intervalMs) / gridMs) * gridMs : now;
    this.#arm(now, this.#untilVerdict(fair));
  }

  #look(fair: number): void {
    if (this.#link.bufferedBytes > 0) {
      this.#flow = this.#flow === 'clear' ? 'suspect' : 'blocked';
      return;
    }
    // What the peer took last may have been our ping.
    if (this.#flow === 'blocked') this.#judgedFrom = Math.max(this.#judgedFrom, Math.min(this.#link.progressAt, fair));
    if (this.#link.paused) this.#judgedFrom = fair;
    this.#flow = 'clear';
  }

  /** Milliseconds left to the peer, as things stand; Infinity = it is not judged. */
  #untilVerdict(fair: number): number {
    if (this.#flow !== 'clear') return Math.min(this.#link.progressAt, fair) + this.#timeoutMs - fair;
    if (this.#settings.intervalMs === 0 || this.#link.paused) return Infinity;
    return this.#silentSince(fair) + this.#timeoutMs - fair;
  }

  #silentSince(fair: number): number {
    return Math.min(fair, Math.max(this.#link.receivedAt, this.#judgedFrom));
  }

  #pingIfDue(now: number, fair: number, leftMs: number): void {
    const { intervalMs } = this.#settings;
    if (now + epsilonMs >= this.#nextPingAt) {
      const late = Math.max(0, now - this.#nextPingAt);
      this.#nextPingAt += intervalMs * (Math.floor((late + epsilonMs) / intervalMs) + 1);
      if (this.#flow === 'clear' && !this.#link.paused) this.#warnIfSilent(fair);
      if (this.#running) this.#ping(now, fair);
      if (this.#running) this.#jsonPing(now);
    } else if (this.#pingsAreRare && this.#outstanding === 0 && leftMs <= this.#timeoutMs / 2 + epsilonMs) {
      this.#ping(now, fair);
    }
  }

  /** From ping to ping: counted from the last byte, a pong that takes longer than the one before it would be a miss. */
  #warnIfSilent(fair: number): void {
    const since = this.#silentSince(fair);
    const silentMs = fair - since;
    if (since < this.#pingedAt && silentMs + epsilonMs >= this.#settings.intervalMs) {
      this.#owner.heartbeatMissed(this.#link, silentMs);
    }
  }

  #ping(now: number, fair: number): void {
    // One waits in our buffer already. More would pile up there for as long as the peer is slow.
    if (this.#flow !== 'clear' && this.#outstanding > 0) return;
    if (this.#outstanding === 0) this.#firstSentAt = now;
    this.#lastSentAt = now;
    this.#pingedAt = fair;
    this.#sent = (this.#sent + 1) >>> 0;
    const payload = Buffer.allocUnsafe(pingBytes);
    payload.writeUInt32BE(pingPrefix, 0);
    payload.writeUInt32BE(this.#sent, 4);
    this.#link.ping(payload);
    if (!this.#running) return;
    if (this.#flow === 'clear' && this.#link.bufferedBytes > 0) this.#flow = 'suspect';
    this.#owner.heartbeatPing(this.#link, 'rfc6455');
  }

  /** One at a time, as it has no number to tell it by; after a timeout without an answer the next one. */
  #jsonPing(now: number): void {
    if (!this.#jsonPings || this.#settings.json !== 'on') return;
    if (this.#jsonSentAt >= 0 && now - this.#jsonSentAt < this.#timeoutMs) return;
    this.#jsonSentAt = now;
    this.#owner.sendJsonPing(this.#link);
    if (this.#running) this.#owner.heartbeatPing(this.#link, 'json');
  }

  #answer(rttMs: number, form: HeartbeatForm): void {
    this.#link.rttMs = Math.max(0, rttMs);
    this.#owner.heartbeatPong(this.#link, Math.max(0, rttMs), form);
  }

  /** To whatever comes first: the next ping, the verdict, another look at a full buffer. */
  #arm(now: number, leftMs: number): void {
    const off = this.#settings.intervalMs === 0;
    let waitMs = Math.min(leftMs, off ? progressTimeoutMs : this.#nextPingAt - now);
    if (this.#flow === 'suspect') waitMs = Math.min(waitMs, secondLookMs);
    else if (this.#flow === 'blocked') waitMs = Math.min(waitMs, Math.max(secondLookMs, this.#timeoutMs / 8));
    else if (this.#pingsAreRare && leftMs > this.#timeoutMs / 2)
      waitMs = Math.min(waitMs, leftMs - this.#timeoutMs / 2);
    this.#timer.start(waitMs);
  }
}
