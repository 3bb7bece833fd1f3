/**
 * A client that offered holdfast.v1, between its upgrade and its welcome: hello goes out, start must come, and then the link goes over to
 * the pipe that is resumed or begun.
 */
import type { Duplex } from 'node:stream';
import { FairTimer } from '../heartbeat/fair-timer.ts';
import type { TimerOwner, WheelTimer } from '../heartbeat/wheel.ts';
import type { PingRate } from '../limits/ping-rate.ts';
import { isRefusal, type Refusal } from '../limits/refusal.ts';
import type { Link, LinkLimit, LinkOwner } from '../link/link.ts';
import type { SocketLink } from '../link/socket-link.ts';
import type { ResumeRefusal } from '../observe/vocabulary.ts';
import { closeCode } from '../wire/close-codes.ts';
import {
  encodeRecord,
  maxRecordBytes,
  parseRecord,
  type ResetReason,
  type ResumeRequest,
  resumeCloseCode,
  resumeProtocol,
  resumeVersion,
} from '../wire/resume.ts';
import type { ClientRequest } from './client-request.ts';
import type { PersistentPipe } from './persistent-pipe.ts';
import { type EndContext, openLink, pongRate } from './pipe-end.ts';
import type { ResumeBinding } from './resume-session.ts';
import type { FirstAnswer } from './upgrade-wait.ts';

export interface GreetingHost extends EndContext {
  /** @throws HOLDFAST_ERR_GATEWAY_CLOSING, HOLDFAST_ERR_GATEWAY_FULL, HOLDFAST_ERR_CLIENT_ID_IN_USE */
  admit(request: ClientRequest): PersistentPipe;
  /** @throws HOLDFAST_ERR_CLIENT_ID_IN_USE: the pipe is to be abandoned. */
  connect(pipe: PersistentPipe, prefer?: string): Promise<FirstAnswer>;
  /** `found` is told the pipe that may be resumed so, at once, or when it has come from another gateway; or why it may not come here. */
  resumable(resume: ResumeRequest, binding: ResumeBinding, found: (answer: ResumeAnswer) => void): void;
  /** Its link has ended, or goes on as that of a pipe. */
  greeted(greeting: Greeting): void;
  refused(request: ClientRequest, code: string): void;
  /** It is closed for what it sent. */
  clientViolated(clientIp: string): void;
}

/** No older session: a new one begins. */
export interface NotResumed {
  readonly pipe: null;
  readonly reason: Exclude<ResumeRefusal, 'superseded'>;
  /** Id of the backend it should begin at. */
  readonly prefer: string | null;
}
/** A later start of its client has the session. */
interface Superseded {
  readonly pipe: null;
  readonly reason: 'superseded';
}
export type ResumeAnswer = { readonly pipe: PersistentPipe } | NotResumed | Superseded | Refusal;

const refusals: Readonly<Record<string, number>> = {
  HOLDFAST_ERR_CLIENT_ID_IN_USE: closeCode.replaced,
  HOLDFAST_ERR_GATEWAY_CLOSING: closeCode.serviceRestart,
  HOLDFAST_ERR_BACKEND_REFUSED: closeCode.policyViolation,
};

export class Greeting implements LinkOwner, TimerOwner {
  readonly request: ClientRequest;
  readonly #host: GreetingHost;
  readonly #link: SocketLink;
  readonly #timer: WheelTimer;
  readonly #pongs: PingRate;
  #pipe: PersistentPipe | null = null;
  #started = false;
  #over = false;

  constructor(host: GreetingHost, socket: Duplex, request: ClientRequest) {
    this.#host = host;
    this.request = request;
    this.#pongs = pongRate(host);
    this.#link = openLink(socket, this, host, { side: 'client', protocol: resumeProtocol });
    this.#link.interceptRecords = true;
    const deadlineMs = host.options.resume.startTimeoutMs;
    this.#timer = new FairTimer(host.wheel, this, 'start');
    this.#timer.start(deadlineMs);
    this.#link.send(encodeRecord({ type: 'hello', version: resumeVersion, deadlineMs }));
  }

  /** The pipe it became. */
  get pipe(): PersistentPipe | null {
    return this.#pipe;
  }

  /**
   * Ends it with this code, and hears nothing more of the client: a start behind it would begin a pipe that nobody ends.
   * @returns false where it was over already.
   */
  close(code: number, text: string): boolean {
    if (this.#over) return false;
    this.#over = true;
    this.#timer.stop();
    this.#link.abandon(code, text);
    this.#pipe?.abandon();
    return true;
  }

  /** Drops the connection now. */
  terminate(): void {
    this.#link.terminate();
  }

  timerFired(): void {
    this.#host.tally.hit('start-time', this.#who);
    this.close(resumeCloseCode.badStart, 'start did not come in time');
  }

  linkRecord(_link: Link, payload: Buffer): void {
    const record = parseRecord(payload);
    if (record === null) return;
    if (typeof record === 'string' || record.type !== 'start' || this.#started) {
      this.#violated(typeof record === 'string' ? record : 'expected one start');
      return;
    }
    this.#started = true;
    this.#timer.stop();
    if (record.resume === null) void this.#begin();
    else this.#find(record.resume);
  }

  linkMessages(): boolean {
    this.#violated('a message before the welcome');
    return true;
  }
  linkPending(link: Link): void {
    // No budget covers these bytes, and no start is so long.
    if (link.pendingBytes > 2 * maxRecordBytes) this.#violated('a message that is no start');
  }
  linkPing(): boolean {
    return this.#pongs.allows(this.#link.bytesIn, this.#host.wheel.now());
  }
  linkPong(): void {}
  linkJsonHeartbeat(): boolean {
    return false;
  }
  linkLimited(_link: Link, limit: LinkLimit): void {
    this.#host.tally.hit(limit, this.#who);
  }
  linkViolated(): void {
    this.#host.clientViolated(this.request.clientIp);
    this.#lost();
  }
  linkClosed(): void {
    this.#left();
  }
  linkDrained(): void {}
  linkEnded(): void {
    this.#left();
    this.#host.greeted(this);
  }

  get #who() {
    const { clientId, clientIp } = this.request;
    return { clientId, clientIp };
  }

  #violated(text: string): void {
    this.#host.clientViolated(this.request.clientIp);
    this.close(resumeCloseCode.badStart, text);
  }

  #find(resume: ResumeRequest): void {
    // No promise: between its answer and us somebody else could take the pipe again.
    this.#host.resumable(resume, bindingOf(this.request), (answer) => this.#resume(resume, answer));
  }

  #resume({ received }: ResumeRequest, answer: ResumeAnswer): void {
    // The client may have gone while its pipe was fetched, which waits for it here now.
    if (this.#over) return;
    if (isRefusal(answer)) {
      this.#refuse(answer.code, answer.message);
      return;
    }
    if (answer.pipe === null) {
      if (answer.reason === 'superseded') this.close(resumeCloseCode.resumedElsewhere, 'resumed on another connection');
      else void this.#begin(answer);
      return;
    }
    this.#handOver();
    this.#pipe = answer.pipe;
    this.#pipe.resume(this.#link, this.request, received);
  }

  /** @param instead of the session that the client asked for. */
  async #begin(instead?: NotResumed): Promise<void> {
    let pipe: PersistentPipe;
    let answer: FirstAnswer;
    try {
      pipe = this.#host.admit(this.request);
      this.#pipe = pipe;
      answer = await this.#host.connect(pipe, instead?.prefer ?? undefined);
    } catch (error) {
      if (this.#over) return;
      const { code = '', message } = error as Error & { code?: string };
      this.#refuse(code, message);
      return;
    }
    if (this.#over) return;
    const { protocols } = this.request;
    if (answer.kind === 'attached' || (answer.kind === 'waiting' && protocols.length < 2)) {
      this.#handOver();
      const protocol = answer.kind === 'attached' ? answer.protocol : (protocols[0] ?? '');
      pipe.attachResumable(this.#link, protocol, bindingOf(this.request), told(instead));
    } else if (answer.kind === 'refused') {
      this.#refuse('HOLDFAST_ERR_BACKEND_REFUSED', `refused by the backend with status ${answer.statusCode}`);
    } else if (answer.kind === 'gone') {
      this.close(answer.code, answer.text);
    } else {
      this.#refuse('HOLDFAST_ERR_NO_BACKEND_IN_TIME', 'no backend in time');
    }
  }

  #refuse(code: string, text: string): void {
    this.#host.refused(this.request, code);
    this.close(refusals[code] ?? closeCode.tryAgainLater, text);
  }

  /** Before its welcome. */
  #left(): void {
    if (!this.#over && this.#pipe !== null) this.#host.refused(this.request, 'HOLDFAST_ERR_CLIENT_GONE');
    this.#lost();
  }

  #lost(): void {
    if (this.#over) return;
    this.#over = true;
    this.#timer.stop();
    this.#pipe?.abandon();
  }

  /** The link goes over to a pipe. */
  #handOver(): void {
    this.#over = true;
    this.#timer.stop();
    this.#host.greeted(this);
  }
}

/** Whether there is a session of that id is nobody's business who has not its token. */
function told(instead: NotResumed | undefined): ResetReason | undefined {
  return instead?.reason === 'token' ? 'unknown' : instead?.reason;
}

/** What the pipe of this client is bound to. */
function bindingOf({ origin, clientId, clientIdGiven, principal }: ClientRequest): ResumeBinding {
  return { origin, clientId: clientIdGiven ? clientId : null, principalId: principal?.id ?? null };
}
