/**
 * Finds the next backend for a pipe: takes one from the pool, dials it, and goes on to the next until one accepts or one
 * answers the client itself with a refusal. One search per interruption or migration; it ends with exactly one call of its owner, or none after
 * `stop`.
 */
import { FairTimer } from '../heartbeat/fair-timer.ts';
import type { TimerOwner, TimerWheel, WheelTimer } from '../heartbeat/wheel.ts';
import type { DialAttempt, DialError, DialFunction, DialSuccess } from '../link/dial.ts';
import type { EventStream } from '../observe/events.ts';
import { scrubText } from '../observe/scrub.ts';
import type { AttachReason } from '../observe/vocabulary.ts';
import type { ResolvedOptions } from '../options.ts';
import type { Backend } from '../pool/backend.ts';
import type { BackendPool } from '../pool/backend-pool.ts';
import type { Lease } from '../pool/lease.ts';
import { backendTarget, type ClientRequest } from './client-request.ts';
import { refusalStatus } from './failover-policy.ts';

export interface SearchSubject {
  readonly id: string;
  readonly request: ClientRequest;
  /** Generation the next attachment will have. */
  readonly nextGeneration: number;
  /** Subprotocol agreed with the client; null while it is open which. */
  readonly agreedProtocol: string | null;
  /** Messages that will be sent again. */
  readonly replayable: number;
  /** What the last backend left for its successor (Holdfast-Ticket); null = nothing. */
  readonly ticket: string | null;
}

export interface Found {
  readonly lease: Lease;
  readonly dialed: DialSuccess;
  readonly attempt: number;
  readonly dialMs: number;
}

export interface SearchOwner {
  searchFound(found: Found): void;
  /** A backend answered the client itself: 4xx. */
  searchRefused(statusCode: number): void;
  /** Nothing now; only with `once`. @param dialled false = there was none to dial. */
  searchFailed(dialled: boolean): void;
}

export interface SearchContext {
  readonly options: ResolvedOptions;
  readonly events: EventStream;
  readonly pool: BackendPool;
  readonly wheel: TimerWheel;
  readonly backoff: (attempt: number) => number;
  readonly dial: DialFunction;
}

export interface SearchTask {
  readonly reason: AttachReason;
  /** Not to be tried in the first round: the backend that just failed. */
  readonly exclude?: readonly Backend[] | undefined;
  /** Id of the backend to try first. */
  readonly prefer?: string | undefined;
  /** One round only, then `searchFailed`. */
  readonly once?: boolean;
  /** Links in a row that failed at once: the first dial waits as a retry would. */
  readonly failuresBefore?: number;
}

/** Where the pool has nothing, look again after this long even if nobody wakes us, milliseconds. */
const lookAgainMs = 2000;

export class BackendSearch implements TimerOwner {
  readonly #context: SearchContext;
  readonly #subject: SearchSubject;
  readonly #owner: SearchOwner;
  readonly #task: SearchTask;
  /** Tried in this round without success, with its `comeback` then. */
  readonly #tried = new Map<string, number>();
  #dial: DialAttempt | null = null;
  #lease: Lease | null = null;
  #dialStartedAt = 0;
  #attempt = 0;
  #rounds = 0;
  #retryTimer: WheelTimer | null = null;
  #dialTimer: WheelTimer | null = null;
  #stopped = false;

  constructor(context: SearchContext, subject: SearchSubject, owner: SearchOwner, task: SearchTask) {
    this.#context = context;
    this.#subject = subject;
    this.#owner = owner;
    this.#task = task;
    for (const backend of task.exclude ?? []) this.#markTried(backend);
  }

  start(): void {
    this.#rounds = Math.max(0, (this.#task.failuresBefore ?? 0) - 1);
    if (this.#rounds > 0 && this.#task.once !== true) this.#wait(this.#rounds);
    else this.#next();
  }

  /** The backend that was found is of no use: the search goes on. */
  rejected(backend: Backend): void {
    this.#stopped = false;
    this.#markTried(backend);
    this.#next();
  }

  /** No further call of the owner. Idempotent. */
  stop(): void {
    this.#stopped = true;
    this.#context.pool.stopWaiting(this);
    this.#retryTimer?.stop();
    this.#dialTimer?.stop();
    this.#dial?.abort();
    this.#dial = null;
    this.#lease?.release();
    this.#lease = null;
  }

  /** For the pool: there may be room now. */
  backendAvailable(): void {
    if (this.#stopped || this.#lease !== null) return;
    // What has come back since we tried it is why we are woken.
    const { pool } = this.#context;
    for (const [id, comeback] of this.#tried) if (pool.find(id)?.comeback !== comeback) this.#tried.delete(id);
    this.#next();
  }

  timerFired(name: string): void {
    if (name === 'dial') {
      const { dialTimeoutMs } = this.#context.options.pool;
      if (this.#dial !== null) this.#dial.timeOut(dialTimeoutMs);
      else if (this.#lease !== null)
        this.#dialFailed(this.#lease, {
          failure: 'attach-hook',
          detail: `requestHeaders: no answer within ${dialTimeoutMs} ms (pool.dialTimeoutMs)`,
        });
      return;
    }
    if (this.#lease !== null || this.#took()) return;
    // None but those that failed: they may be tried again now.
    this.#tried.clear();
    this.#next();
  }

  #next(): void {
    if (this.#took()) return;
    if (this.#task.once === true) {
      this.stop();
      this.#owner.searchFailed(this.#attempt > 0);
      return;
    }
    // A new or recovered backend wakes us; those tried may be tried again after the backoff.
    this.#context.pool.wait(this);
    this.#retryTimer ??= this.#context.wheel.timer(this, 'retry');
    if (!this.#retryTimer.active) this.#wait(this.#tried.size > 0 ? ++this.#rounds : null);
  }

  /** One that was removed meanwhile may have a successor of its id, which was not tried. */
  #markTried(backend: Backend): void {
    if (!backend.removed) this.#tried.set(backend.id, backend.comeback);
  }

  /** Begins with a backend that was not tried in this round; false = there is none. */
  #took(): boolean {
    const { pool } = this.#context;
    const lease = pool.lease({
      clientId: this.#subject.request.clientId,
      exclude: this.#tried,
      prefer: this.#task.prefer,
    });
    if (lease === null) return false;
    pool.stopWaiting(this);
    this.#retryTimer?.stop();
    this.#begin(lease);
    return true;
  }

  /** @param attempt of the backoff; null = nothing was tried, there is nothing to hold back. */
  #wait(attempt: number | null): void {
    this.#retryTimer ??= this.#context.wheel.timer(this, 'retry');
    const retryMs = attempt === null ? lookAgainMs : this.#context.backoff(attempt);
    this.#retryTimer.start(retryMs);
    this.#context.events.emit('backend.awaited', { attempt: this.#attempt, retryMs, ...this.#fields() });
  }

  #begin(lease: Lease): void {
    this.#lease = lease;
    this.#attempt += 1;
    this.#dialStartedAt = this.#context.wheel.now();
    this.#dialTimer ??= new FairTimer(this.#context.wheel, this, 'dial');
    this.#dialTimer.start(this.#context.options.pool.dialTimeoutMs);
    this.#context.events.emit('backend.attempt', {
      attempt: this.#attempt,
      generation: this.#subject.nextGeneration,
      reason: this.#task.reason,
      ...this.#fields(lease),
    });
    // Who heard of it may have ended the search.
    if (this.#lease !== lease) return;
    const headers = Object.assign({}, this.#subject.request.headers, this.#ownHeaders());
    const { requestHeaders } = this.#context.options.hooks;
    if (requestHeaders === undefined) {
      this.#open(lease, headers);
      return;
    }
    const { request, id: pipeId, nextGeneration: generation } = this.#subject;
    const { clientId, principal } = request;
    const context = { pipeId, clientId, principal, backendId: lease.backend.id, generation };
    Promise.resolve()
      .then(() => requestHeaders(headers, context))
      .then(
        (own) => {
          if (this.#lease === lease) this.#open(lease, own);
        },
        (error: unknown) => {
          if (this.#lease !== lease) return;
          const detail = error instanceof Error ? error.message : String(error);
          this.#dialFailed(lease, { failure: 'attach-hook', detail: `requestHeaders: ${detail}` });
        },
      );
  }

  #open(lease: Lease, headers: Readonly<Record<string, string>>): void {
    const { request, agreedProtocol } = this.#subject;
    const offered = agreedProtocol === null ? request.protocols : agreedProtocol === '' ? [] : [agreedProtocol];
    const { url } = lease.backend;
    try {
      this.#dial = this.#context.dial(
        {
          url,
          path: backendTarget(url, request),
          headers,
          protocols: offered,
          refuseAddress: (address) => this.#context.pool.allowed.refuseAddress(address),
          tls: this.#context.options.backendTls?.current,
        },
        {
          dialed: (dialed) => this.#dialed(lease, dialed),
          dialFailed: (error) => this.#dialFailed(lease, error),
        },
      );
    } catch (error) {
      // A header that node:http refuses; no other backend would be given another one, but it must not end the process.
      this.#dialFailed(lease, { failure: 'aborted', detail: error instanceof Error ? error.message : String(error) });
    }
  }

  #ownHeaders(): Record<string, string> {
    const { id, nextGeneration, replayable, ticket } = this.#subject;
    return {
      'holdfast-pipe': id,
      'holdfast-generation': String(nextGeneration),
      'holdfast-reason': this.#task.reason,
      'holdfast-replay': String(this.#task.reason === 'migrate' ? 0 : replayable),
      ...(ticket === null ? {} : { 'holdfast-ticket': ticket }),
    };
  }

  #dialed(lease: Lease, dialed: DialSuccess): void {
    const { agreedProtocol } = this.#subject;
    if (agreedProtocol !== null && dialed.protocol !== agreedProtocol) {
      dialed.socket.on('error', () => {}).destroy();
      this.#dialFailed(lease, {
        failure: 'subprotocol',
        detail: `answered with the subprotocol "${dialed.protocol}", the client has "${agreedProtocol}"`,
      });
      return;
    }
    this.#dial = null;
    this.#lease = null;
    const dialMs = this.#context.wheel.now() - this.#dialStartedAt;
    this.stop();
    this.#owner.searchFound({ lease, dialed, attempt: this.#attempt, dialMs });
    // Last: it lets others dial, who may call for anything.
    lease.attached();
  }

  #dialFailed(lease: Lease, error: DialError): void {
    this.#dial = null;
    this.#lease = null;
    this.#dialTimer?.stop();
    this.#markTried(lease.backend);
    const { statusCode } = error;
    // What a hook of the host or a TLS library says is shown in GET /backends too.
    const detail = scrubText(error.detail);
    this.#context.events.emit('backend.attempt-failed', {
      attempt: this.#attempt,
      failure: error.failure,
      detail,
      ...(statusCode === undefined ? {} : { statusCode }),
      dialMs: this.#context.wheel.now() - this.#dialStartedAt,
      ...this.#fields(lease),
    });
    if (error.failure === 'blocked') {
      const { id: backendId, urlText: backendUrl } = lease.backend;
      this.#context.events.emit('backend.blocked', { backendId, backendUrl, detail });
    }
    const refusal = refusalStatus(error);
    // A refusal, another subprotocol or a hook of the host say nothing against the backend.
    const innocent =
      refusal !== null ||
      error.failure === 'subprotocol' ||
      error.failure === 'attach-hook' ||
      error.failure === 'aborted';
    if (innocent) lease.release();
    else lease.failed(detail);
    if (this.#stopped) return;
    if (refusal !== null) {
      this.stop();
      this.#owner.searchRefused(refusal);
      return;
    }
    this.#next();
  }

  #fields(lease: Lease): { pipeId: string; clientId: string; clientIp: string; backendId: string; backendUrl: string };
  #fields(): { pipeId: string; clientId: string; clientIp: string };
  #fields(lease?: Lease): { pipeId: string; clientId: string; clientIp: string } {
    const { id: pipeId, request } = this.#subject;
    const fields = { pipeId, clientId: request.clientId, clientIp: request.clientIp };
    return lease === undefined
      ? fields
      : ({ backendId: lease.backend.id, backendUrl: lease.backend.urlText, ...fields } as typeof fields);
  }
}
