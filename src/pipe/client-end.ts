/** The client's link of a pipe with its heartbeat, and the answers to pings that end at the gateway. */
import { Heartbeat, type HeartbeatOwner } from '../heartbeat/heartbeat.ts';
import { PingLimiter } from '../heartbeat/ping-limiter.ts';
import type { HopSettings } from '../heartbeat/settings.ts';
import type { TimerWheel } from '../heartbeat/wheel.ts';
import type { SocketLink } from '../link/socket-link.ts';
import { jsonPong } from '../wire/json-heartbeat.ts';

export class ClientEnd {
  readonly link: SocketLink;
  readonly heartbeat: Heartbeat<SocketLink>;
  readonly #wheel: TimerWheel;
  #limiter: PingLimiter | null = null;

  constructor(link: SocketLink, owner: HeartbeatOwner<SocketLink>, wheel: TimerWheel, settings: HopSettings) {
    this.link = link;
    this.#wheel = wheel;
    this.heartbeat = new Heartbeat({ wheel, link, owner, settings, phase: Math.random(), jsonPings: true });
    this.#watchJson(settings);
    this.heartbeat.start();
  }

  retune(settings: HopSettings): void {
    this.#watchJson(settings);
    this.heartbeat.retune(settings);
  }

  /** A flood of pings is answered at a bounded rate; a pong may be left out (RFC 6455 section 5.5.3). */
  mayAnswerPing(): boolean {
    this.#limiter ??= new PingLimiter();
    return this.#limiter.allow(this.#wheel.now());
  }

  /** @returns true = it is ours and not passed on. */
  jsonHeartbeat(kind: 'ping' | 'pong'): boolean {
    if (kind === 'pong') return this.heartbeat.jsonPong();
    if (this.mayAnswerPing()) this.link.send(jsonPong);
    return true;
  }

  /** 'auto': not where an application subprotocol was agreed, which may have a {"type":"ping"} of its own. */
  #watchJson(settings: HopSettings): void {
    this.link.interceptText = settings.json === 'on' || (settings.json === 'auto' && this.link.protocol === '');
  }
}
