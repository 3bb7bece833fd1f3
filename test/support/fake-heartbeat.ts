/** A link and an owner for the tests of one heartbeat, on a fake clock. */
import {
  Heartbeat,
  type HeartbeatForm,
  type HeartbeatLink,
  type HeartbeatOwner,
} from '../../src/heartbeat/heartbeat.ts';
import type { HopSettings } from '../../src/heartbeat/settings.ts';
import { TimerWheel } from '../../src/heartbeat/wheel.ts';
import { FakeClock } from './fake-clock.ts';

/** A peer that answers each ping after `answersInMs`, or never. */
export class FakeLink implements HeartbeatLink {
  paused = false;
  bufferedBytes = 0;
  receivedAt: number;
  progressAt: number;
  rttMs: number | null = null;
  answersInMs: number | null = null;
  heartbeat: Heartbeat<FakeLink> | undefined;
  readonly pings: Buffer[] = [];
  readonly #wheel: TimerWheel;
  readonly #clock: FakeClock;

  constructor(wheel: TimerWheel, clock: FakeClock) {
    this.#wheel = wheel;
    this.#clock = clock;
    this.receivedAt = wheel.fairNow();
    this.progressAt = this.receivedAt;
  }

  ping(payload: Buffer): void {
    this.pings.push(payload);
    if (this.bufferedBytes > 0) this.bufferedBytes += payload.length;
    if (this.answersInMs === null) return;
    this.#clock.setTimeout(() => {
      this.receive();
      this.heartbeat?.pong(payload);
    }, this.answersInMs);
  }

  receive(): void {
    this.receivedAt = this.#wheel.fairNow();
  }

  take(bytes: number): void {
    this.bufferedBytes -= bytes;
    this.progressAt = this.#wheel.fairNow();
  }

  resume(): void {
    this.paused = false;
    this.receivedAt = this.#wheel.fairNow();
  }
}

/** Writes down what it hears, with the real time since it was made. */
export class FakeOwner implements HeartbeatOwner<FakeLink> {
  readonly heard: { readonly what: string; readonly at: number; readonly ms: number }[] = [];
  readonly #clock: FakeClock;
  readonly #madeAt: number;

  constructor(clock: FakeClock) {
    this.#clock = clock;
    this.#madeAt = clock.now();
  }

  /** When `what` happened, milliseconds since the start. */
  times(what: string): number[] {
    return this.heard.filter((entry) => entry.what === what).map((entry) => entry.at);
  }

  sendJsonPing(): void {
    this.#note('json sent');
  }
  heartbeatPing(_link: FakeLink, form: HeartbeatForm): void {
    this.#note(`ping ${form}`);
  }
  heartbeatPong(_link: FakeLink, rttMs: number, form: HeartbeatForm): void {
    this.#note(`pong ${form}`, rttMs);
  }
  heartbeatMissed(_link: FakeLink, silentMs: number): void {
    this.#note('missed', silentMs);
  }
  heartbeatTimedOut(_link: FakeLink, silentMs: number, cause: string): void {
    this.#note(`timed out: ${cause}`, silentMs);
  }

  #note(what: string, ms = 0): void {
    this.heard.push({ what, at: this.#clock.now() - this.#madeAt, ms });
  }
}

export function settings(intervalMs: number, timeoutMs = 3 * intervalMs, json: HopSettings['json'] = 'auto') {
  return { intervalMs, timeoutMs, timeoutSet: true, json } satisfies HopSettings;
}

export const stepMs = 10;

/** A heartbeat that runs, with a peer that answers after 20 ms. */
export function setUp(hop: HopSettings, { phase = 0.5, answersInMs = 20 as number | null, jsonPings = false } = {}) {
  const clock = new FakeClock(0);
  const wheel = new TimerWheel({ clock, stepMs });
  const link = new FakeLink(wheel, clock);
  const owner = new FakeOwner(clock);
  const heartbeat = new Heartbeat({ wheel, link, owner, settings: hop, phase, jsonPings });
  link.answersInMs = answersInMs;
  link.heartbeat = heartbeat;
  heartbeat.start();
  return { clock, wheel, link, owner, heartbeat };
}
