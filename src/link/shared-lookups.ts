/**
 * Names are resolved by threads that all of the process shares: half of libuv's four. A lookup cannot be cancelled, and one whose name servers do
 * not answer keeps its thread for some ten seconds; two such names, asked for again and again, would leave no thread to the others.
 * So a name is looked up once at a time, for all who want it meanwhile, and names that kept a thread for nothing have one thread between them.
 */
import type { LookupAddress, LookupOptions } from 'node:dns';

export type LookupDone = (error: NodeJS.ErrnoException | null, found: readonly LookupAddress[]) => void;

export interface LookupContext {
  /** All addresses of a name, as by `dns.lookup`; calls back once. */
  resolve(hostname: string, options: LookupOptions & { all: true }, done: LookupDone): void;
  /** Milliseconds. */
  now(): number;
}

interface Lookup {
  /** The same for all that may share it. */
  readonly key: string;
  readonly hostname: string;
  readonly options: LookupOptions & { all: true };
  readonly callers: LookupDone[];
  /** It has its turn among those that failed slowly. */
  readonly slow: boolean;
}

/** Who fails after that kept a thread from others. */
const slowMs = 1000;
/** As many are remembered as slow. */
const maxSlowNames = 1000;

export class SharedLookups {
  readonly #context: LookupContext;
  /** Under way, or waiting. */
  readonly #lookups = new Map<string, Lookup>();
  /** How often in a row each of the slow ones has failed. */
  readonly #slowFailures = new Map<string, number>();
  #slowWaiting: Lookup[] = [];
  #slowUnderWay = false;

  constructor(context: LookupContext) {
    this.#context = context;
  }

  /** @param done gets the addresses that all who share the lookup get. */
  lookup(hostname: string, options: LookupOptions, done: LookupDone): void {
    const key = `${hostname} ${options.family ?? 0} ${options.hints ?? 0}`;
    const shared = this.#lookups.get(key);
    if (shared !== undefined) {
      shared.callers.push(done);
      return;
    }
    const slow = this.#slowFailures.has(key);
    const all = Object.assign({}, options, { all: true as const });
    const lookup: Lookup = { key, hostname, options: all, callers: [done], slow };
    this.#lookups.set(key, lookup);
    if (!slow) {
      this.#begin(lookup);
      return;
    }
    this.#slowWaiting.push(lookup);
    this.#nextSlow();
  }

  #nextSlow(): void {
    if (this.#slowUnderWay) return;
    // Who failed least often goes first: after an outage of all names, none waits for those that are dead for good.
    const failures = ({ key }: Lookup): number => this.#slowFailures.get(key) ?? 0;
    this.#slowWaiting.sort((one, other) => failures(one) - failures(other));
    const next = this.#slowWaiting.shift();
    if (next === undefined) return;
    this.#slowUnderWay = true;
    this.#begin(next);
  }

  #begin(lookup: Lookup): void {
    const begunAt = this.#context.now();
    this.#context.resolve(lookup.hostname, lookup.options, (error, found) => {
      this.#lookups.delete(lookup.key);
      this.#remember(lookup.key, error !== null && this.#context.now() - begunAt >= slowMs);
      if (lookup.slow) {
        this.#slowUnderWay = false;
        this.#nextSlow();
      }
      for (const done of lookup.callers) done(error, found);
    });
  }

  #remember(key: string, failedSlowly: boolean): void {
    const failures = this.#slowFailures.get(key) ?? 0;
    this.#slowFailures.delete(key);
    if (!failedSlowly) return;
    this.#slowFailures.set(key, failures + 1);
    const [oldest] = this.#slowFailures.keys();
    if (this.#slowFailures.size > maxSlowNames && oldest !== undefined) this.#slowFailures.delete(oldest);
  }
}
