import { HeartbeatJudge } from './heartbeat-judge.ts';
import type { HeartbeatSettings } from './types.ts';

/** The answer of a server that is no gateway. */
export const jsonPong: RegExp = /^\s*\{\s*"type"\s*:\s*"pong"\s*\}\s*$/;

/** What a heartbeat needs of a connection. */
export interface HeartbeatLink {
  /** Bytes sent that have not left yet: a ping lies behind them. */
  readonly pendingBytes: number;
  sendPing(id: number): void;
  fail(why: string): void;
}

/** A judge with a timer, and the time that pings take. */
export class Heartbeat {
  readonly #answered: (rttMs: number) => void;
  #link: HeartbeatLink | null = null;
  #judge: HeartbeatJudge | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pendingBytes = 0;
  #pingId = 0;
  /** Of the last ping, while it is not answered; 0 = none. */
  #pingSentAt = 0;

  constructor(answered: (rttMs: number) => void) {
    this.#answered = answered;
  }

  /** Begins, or goes on with other settings. */
  start(link: HeartbeatLink, settings: HeartbeatSettings): void {
    const now = Date.now();
    this.#link = link;
    if (this.#judge) this.#judge.retune(settings, now);
    else this.#judge = new HeartbeatJudge(settings, now);
    this.#sleep();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#judge = null;
    this.#pingSentAt = 0;
  }

  heard(): void {
    this.#judge?.heard(Date.now());
  }

  /** The page or the network is back, or may have gone: asks now. `anew`: with the whole grace, also where one is running. */
  wake(anew: boolean): void {
    if (!this.#judge) return;
    this.#judge.suspect(Date.now(), anew);
    this.#ping();
    this.#sleep();
  }

  /** A pong came, with an id or, from a server that is no gateway, without. Was it asked for? */
  pong(id: unknown = this.#pingId): boolean {
    if (!this.#pingSentAt || id !== this.#pingId) return false;
    const rttMs = Date.now() - this.#pingSentAt;
    this.#pingSentAt = 0;
    this.#answered(rttMs);
    return true;
  }

  #ping(): void {
    this.#pingSentAt = Date.now();
    this.#pingId += 1;
    this.#link!.sendPing(this.#pingId);
  }

  #sleep(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#check(), this.#judge!.plan(Date.now()));
  }

  #check(): void {
    const { pendingBytes } = this.#link!;
    if (pendingBytes < this.#pendingBytes) this.heard();
    this.#pendingBytes = pendingBytes;
    const verdict = this.#judge!.check(Date.now());
    if (verdict === 'dead') {
      this.#link!.fail('silent');
      return;
    }
    if (verdict) this.#ping();
    this.#sleep();
  }
}
