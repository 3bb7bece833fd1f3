/**
 * The backend side of a pipe that has none: since when, how often, the search for the next, the host's introduction there, and the end
 * of patience with a poisonous message.
 */

import type { HeartbeatSettings } from '../heartbeat/settings.ts';
import { scrubText } from '../observe/scrub.ts';
import type { AttachReason, DialFailure, InterruptionReason } from '../observe/vocabulary.ts';
import { closeCode } from '../wire/close-codes.ts';
import { BackendEnd, type BackendEndOwner } from './backend-end.ts';
import {
  BackendSearch,
  type Found,
  type SearchContext,
  type SearchOwner,
  type SearchSubject,
  type SearchTask,
} from './backend-search.ts';
import { PoisonCount } from './failover-policy.ts';
import { Introduction, type IntroductionOwner } from './introduction.ts';
import type { EndContext } from './pipe-end.ts';

export interface FailoverOwner {
  /** The next backend is there and introduced. */
  backendFound(end: BackendEnd): void;
  /** A backend answered the client itself: 4xx. */
  backendRefused(statusCode: number): void;
  /** Only with `once`: no backend now. @param dialled false = there was none to dial. */
  backendMissing(dialled: boolean): void;
}

export interface FailoverContext extends SearchContext, EndContext {
  heartbeat(): HeartbeatSettings;
}

/** The pipe a backend is looked for, and who hears of the link to it. */
export type FailoverPipe = SearchSubject & { readonly links: BackendEndOwner };

/** One search at a time; `stop` ends it at any point. A migration has one of its own, for one round. */
export class Failover implements SearchOwner, IntroductionOwner {
  readonly #context: FailoverContext;
  readonly #pipe: FailoverPipe;
  readonly #owner: FailoverOwner;
  readonly #once: boolean;
  #search: BackendSearch | null = null;
  #introduction: Introduction | null = null;
  #reason: AttachReason = 'open';
  /** Links in a row that did not live through their probation. */
  #shortLived = 0;

  constructor(context: FailoverContext, pipe: FailoverPipe, owner: FailoverOwner, options = { once: false }) {
    this.#context = context;
    this.#pipe = pipe;
    this.#owner = owner;
    this.#once = options.once;
  }

  get active(): boolean {
    return this.#search !== null;
  }

  /** The introduction under way, at an end that is not the pipe's yet. */
  get introduction(): Introduction | null {
    return this.#introduction;
  }

  /** Looks for a backend. */
  begin(reason: AttachReason, { exclude, prefer }: Pick<SearchTask, 'exclude' | 'prefer'> = {}): void {
    this.stop();
    this.#reason = reason;
    const task = { reason, exclude, prefer, once: this.#once, failuresBefore: this.#shortLived };
    this.#search = new BackendSearch(this.#context, this.#pipe, this, task);
    this.#search.start();
  }

  /** The present link failed: one that accepts and fails at once, again and again, is not dialled without a pause. */
  lost(end: BackendEnd): void {
    const lived = this.#context.wheel.now() - end.attachedAt;
    this.#shortLived = lived < this.#context.options.failover.probationMs ? this.#shortLived + 1 : 0;
  }

  /** Idempotent. */
  stop(): void {
    this.#search?.stop();
    this.#search = null;
    const introduction = this.#introduction;
    this.#introduction = null;
    if (introduction === null) return;
    introduction.stop();
    introduction.end.left(closeCode.goingAway);
    introduction.end.link.close(closeCode.goingAway);
  }

  /** The link being introduced was lost. */
  introducedLost(detail: string): void {
    const introduction = this.#introduction;
    if (introduction === null) return;
    introduction.stop();
    this.#rejected(introduction.end, 'lost', detail);
  }

  searchFound(found: Found): void {
    const { options } = this.#context;
    const end = new BackendEnd(
      this.#pipe.links,
      this.#context,
      found,
      this.#pipe.nextGeneration,
      this.#context.heartbeat().backend,
    );
    const { onAttach } = options.hooks;
    if (onAttach === undefined) {
      this.introduced(end);
      return;
    }
    this.#introduction = new Introduction(this, end, {
      wheel: this.#context.wheel,
      timeoutMs: options.failover.attachTimeoutMs,
    });
    this.#introduction.start(onAttach, this.#pipe, this.#reason);
  }

  searchRefused(statusCode: number): void {
    this.#search = null;
    this.#owner.backendRefused(statusCode);
  }

  searchFailed(dialled: boolean): void {
    this.#search = null;
    this.#owner.backendMissing(dialled);
  }

  introduced(end: BackendEnd): void {
    if (end.backend.removed) {
      this.#rejected(end, 'aborted', 'the backend was removed meanwhile');
      return;
    }
    this.#introduction = null;
    this.#search = null;
    this.#owner.backendFound(end);
  }

  introductionFailed(end: BackendEnd, detail: string): void {
    this.#rejected(end, 'attach-hook', detail);
  }

  /**
   * The link is there and is not taken. Counts against the backend if it did not keep the link, else not: one client whose login fails
   * at every backend would have all of them ejected.
   */
  #rejected(end: BackendEnd, failure: DialFailure, said: string): void {
    const detail = scrubText(said);
    this.#introduction = null;
    const search = this.#search;
    this.#context.events.emit('backend.attempt-failed', {
      attempt: end.attempt,
      failure,
      detail,
      dialMs: end.dialMs,
      ...end.fields,
    });
    if (failure === 'lost') end.failed(detail);
    else end.left(closeCode.goingAway);
    end.link.close(closeCode.goingAway);
    if (search === this.#search) search?.rejected(end.backend);
  }
}

/** How often and why a pipe lost its backend. Pure. */
export class Interruptions {
  count = 0;
  last: InterruptionReason | null = null;
  readonly #poison = new PoisonCount();
  readonly #clock: { now(): number };
  #since: number | null;

  constructor(clock: { now(): number }) {
    this.#clock = clock;
    this.#since = clock.now();
  }

  /** Milliseconds of the interruption under way; null = there is a backend. */
  get ms(): number | null {
    return this.#since === null ? null : this.#clock.now() - this.#since;
  }

  began(reason: InterruptionReason): void {
    this.#since = this.#clock.now();
    this.count += 1;
    this.last = reason;
  }

  ended(): void {
    this.#since = null;
  }

  /** @param oldest number of the oldest message given to the failed link and not acknowledged. @returns links in a row that failed with it. */
  failedWith(oldest: number | null): number {
    return this.#poison.failed(oldest);
  }
}
