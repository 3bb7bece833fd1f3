/**
 * The host's `onAttach` hook on a new backend link, before anything else goes over it: log in again, subscribe again. What it receives is
 * not passed on; what it leaves is.
 */
import { FairTimer } from '../heartbeat/fair-timer.ts';
import type { TimerOwner, TimerWheel, WheelTimer } from '../heartbeat/wheel.ts';
import type { OnAttachFunction } from '../hooks.ts';
import type { AttachReason } from '../observe/vocabulary.ts';
import { splitMessages, type WholeMessage } from '../wire/messages.ts';
import type { BackendEnd } from './backend-end.ts';
import type { SearchSubject } from './backend-search.ts';

export interface IntroductionOwner {
  /** The hook is done; what it did not take is unread again at `end`. */
  introduced(end: BackendEnd): void;
  /** The hook failed, or took too long. */
  introductionFailed(end: BackendEnd, detail: string): void;
}

/** Bytes kept for the hook before the link is no longer read. */
const maxWaitingBytes = 1_048_576;

export class Introduction implements TimerOwner {
  readonly end: BackendEnd;
  readonly #owner: IntroductionOwner;
  readonly #timer: WheelTimer;
  readonly #timeoutMs: number;
  #parts: Buffer[] = [];
  #waiting: WholeMessage[] = [];
  #waitingBytes = 0;
  #receivers: { resolve(data: string | Buffer): void; reject(error: Error): void }[] = [];
  /** Why nothing is received any more; null = the hook goes on. */
  #over: Error | null = null;

  constructor(owner: IntroductionOwner, end: BackendEnd, context: { wheel: TimerWheel; timeoutMs: number }) {
    this.#owner = owner;
    this.end = end;
    this.#timeoutMs = context.timeoutMs;
    this.#timer = new FairTimer(context.wheel, this, 'introduction');
  }

  start(hook: OnAttachFunction, subject: SearchSubject, reason: AttachReason): void {
    const { end } = this;
    const { backend } = end;
    this.#timer.start(this.#timeoutMs);
    end.link.resume();
    const context = {
      pipe: {
        id: subject.id,
        clientId: subject.request.clientId,
        principal: subject.request.principal,
        protocol: end.link.protocol,
        headers: subject.request.headers,
      },
      backend: { id: backend.id, url: backend.urlText, labels: backend.labels },
      generation: end.generation,
      reason,
      send: (data: string | Uint8Array) => {
        if (this.#over === null) end.link.send(data);
      },
      receive: () => this.#receive(),
    };
    Promise.resolve()
      .then(() => hook(context))
      .then(
        () => this.#finish(null),
        (error: unknown) => this.#finish(error instanceof Error ? error.message : String(error)),
      );
  }

  /** Frames came on the link. */
  messages(frames: Buffer, messages: number): void {
    this.#parts.push(frames);
    if (messages === 0) return;
    const run = this.#parts.length === 1 ? frames : Buffer.concat(this.#parts);
    this.#parts = [];
    for (const message of splitMessages(run)) {
      const receiver = this.#receivers.shift();
      if (receiver === undefined) {
        this.#waiting.push(message);
        this.#waitingBytes += message.frames.length;
      } else {
        receiver.resolve(dataOf(message));
      }
    }
    if (this.#waitingBytes > maxWaitingBytes) this.end.link.pause();
  }

  timerFired(): void {
    this.#finish(`onAttach was not done within ${this.#timeoutMs} ms`);
  }

  /** The link is gone or given up: no further call of the owner. Idempotent. */
  stop(): void {
    this.#settle('the backend link is gone');
  }

  #settle(why: string): void {
    this.#over ??= new Error(why);
    this.#timer.stop();
    for (const receiver of this.#receivers.splice(0)) receiver.reject(this.#over);
  }

  #receive(): Promise<string | Buffer> {
    const received = this.#next();
    // The hook may await it later: a rejection that nobody has taken by then would end the process.
    received.catch(() => {});
    return received;
  }

  #next(): Promise<string | Buffer> {
    // What waits is the client's now, and whether the link is read is no longer ours to say.
    if (this.#over !== null) return Promise.reject(this.#over);
    const message = this.#waiting.shift();
    if (message !== undefined) {
      this.#waitingBytes -= message.frames.length;
      this.end.link.resume();
      return Promise.resolve(dataOf(message));
    }
    return new Promise((resolve, reject) => this.#receivers.push({ resolve, reject }));
  }

  #finish(failure: string | null): void {
    if (this.#over !== null) return;
    this.#settle(failure ?? 'onAttach is done');
    this.end.link.pause();
    if (failure !== null) {
      this.#owner.introductionFailed(this.end, failure);
      return;
    }
    this.end.unread = this.#waiting;
    this.#waiting = [];
    this.#owner.introduced(this.end);
  }
}

function dataOf({ text, payload }: WholeMessage): string | Buffer {
  return text ? payload.toString() : payload;
}
