/** The client's end of a pipe, and the answers to pings that end at the gateway. */
import type { HopSettings } from '../heartbeat/settings.ts';
import type { SocketLink } from '../link/socket-link.ts';
import type { PipeFields } from '../observe/events.ts';
import { jsonPong } from '../wire/json-heartbeat.ts';
import { resumeProtocol } from '../wire/resume.ts';
import { type DeathReason, type EndContext, PipeEnd } from './pipe-end.ts';

export interface ClientEndOwner {
  readonly fields: PipeFields;
  clientDied(reason: DeathReason): void;
}

export class ClientEnd extends PipeEnd {
  readonly #owner: ClientEndOwner;

  constructor(owner: ClientEndOwner, link: SocketLink, context: EndContext, settings: HopSettings) {
    super(link, context, settings);
    this.#owner = owner;
    this.#watchJson();
  }

  get fields(): PipeFields {
    return this.#owner.fields;
  }

  override retune(settings: HopSettings): void {
    super.retune(settings);
    this.#watchJson();
  }

  /** @returns true = it is ours and not passed on. */
  jsonHeartbeat(kind: 'ping' | 'pong'): boolean {
    if (kind === 'pong') return this.heartbeat.jsonPong();
    if (this.mayAnswerPing()) this.link.send(jsonPong);
    return true;
  }

  /** Gives the link up, without a word. */
  drop(reason: DeathReason): void {
    this.heartbeat.stop();
    this.died(reason);
  }

  protected died(reason: DeathReason): void {
    // First, so that no Close is written: an empty one would look to the client like a wanted end, not like a loss.
    this.link.terminate();
    this.#owner.clientDied(reason);
  }

  /** 'auto': not where an application subprotocol was agreed, which may have a {"type":"ping"} of its own. holdfast.v1 has its own heartbeat. */
  #watchJson(): void {
    const { json } = this.settings;
    this.link.interceptText =
      this.link.protocol !== resumeProtocol && (json === 'on' || (json === 'auto' && this.link.protocol === ''));
  }
}
