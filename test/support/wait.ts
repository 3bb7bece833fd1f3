import type { EventEmitter } from 'node:events';
import type { EventName, HoldfastEvents } from '../../src/observe/events.ts';

/** What was waited for did not come in time, or can no longer come. */
export class WaitError extends Error {
  override readonly name = 'WaitError';
}

export interface WaitOptions {
  /** Default 5,000. */
  readonly timeoutMs?: number | undefined;
  /** What is waited for; a function is asked at the time-out, so that it can say how far things got. */
  readonly what?: string | (() => string) | undefined;
}

export const defaultTimeoutMs = 5_000;

export function describeWait(what: WaitOptions['what'], fallback: string): string {
  return (typeof what === 'function' ? what() : what) ?? fallback;
}

/** An error made by a timer has no useful stack; this keeps the stack of the one who waits. */
export function failureAt(caller: Error): (message: string, cause?: unknown) => WaitError {
  return (message, cause) => {
    const error = new WaitError(message, cause === undefined ? {} : { cause });
    const frames = (caller.stack ?? '').split('\n').slice(1).join('\n');
    error.stack = `${error.name}: ${message}\n${frames}`;
    return error;
  };
}

export interface Deferred<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: unknown): void;
  readonly settled: boolean;
}

export function deferred<T = void>(): Deferred<T> {
  let resolvePromise: (value: T) => void = () => {};
  let rejectPromise: (error: unknown) => void = () => {};
  let settled = false;
  const promise = new Promise<T>((resolve, reject) => {
    resolvePromise = resolve;
    rejectPromise = reject;
  });
  return {
    promise,
    resolve(value) {
      settled = true;
      resolvePromise(value);
    },
    reject(error) {
      settled = true;
      rejectPromise(error);
    },
    get settled() {
      return settled;
    },
  };
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

export async function withTimeout<T>(promise: Promise<T>, ms: number, what: string | (() => string)): Promise<T> {
  const fail = failureAt(new Error());
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(fail(`Waited ${ms} ms for ${describeWait(what, 'a promise')}`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Polls until the predicate is truthy and answers its value. A predicate that throws counts as "not yet"; the last error is the cause. */
export async function until<T>(
  predicate: () => T | Promise<T>,
  options: WaitOptions & { readonly intervalMs?: number | undefined } = {},
): Promise<T> {
  const { timeoutMs = defaultTimeoutMs, intervalMs = 5 } = options;
  const fail = failureAt(new Error());
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    let failure: unknown;
    try {
      const value = await predicate();
      if (value) return value;
    } catch (error) {
      failure = error;
    }
    if (performance.now() >= deadline) {
      throw fail(`Waited ${timeoutMs} ms for ${describeWait(options.what, String(predicate))}`, failure);
    }
    await sleep(intervalMs);
  }
}

/** What both kinds have in common. */
interface AnyEventSource {
  on(name: string, listener: (event: never) => void): unknown;
  off(name: string, listener: (event: never) => void): unknown;
}
interface HoldfastEventSource {
  on<N extends EventName>(name: N, listener: (event: HoldfastEvents[N]) => void): unknown;
  off<N extends EventName>(name: N, listener: (event: HoldfastEvents[N]) => void): unknown;
}

/** Resolves with the next event of that name (its first argument) for which the predicate holds. */
export function once<N extends EventName>(
  events: HoldfastEventSource,
  name: N,
  predicate?: (event: HoldfastEvents[N]) => boolean,
  timeoutMs?: number,
): Promise<HoldfastEvents[N]>;
export function once<T = unknown>(
  events: EventEmitter,
  name: string,
  predicate?: (event: T) => boolean,
  timeoutMs?: number,
): Promise<T>;
export function once(
  source: HoldfastEventSource | EventEmitter,
  name: string,
  predicate: (event: never) => boolean = () => true,
  timeoutMs: number = defaultTimeoutMs,
): Promise<never> {
  const events = source as AnyEventSource;
  const fail = failureAt(new Error());
  return new Promise<never>((resolve, reject) => {
    let others = 0;
    const stop = () => {
      clearTimeout(timer);
      events.off(name, listener);
    };
    const listener = (event: never) => {
      try {
        if (!predicate(event)) {
          others += 1;
          return;
        }
        stop();
        resolve(event);
      } catch (error) {
        stop();
        reject(error);
      }
    };
    const timer = setTimeout(() => {
      stop();
      const seen = others > 0 ? ` (${others} came, but not the wanted one)` : '';
      reject(fail(`Waited ${timeoutMs} ms for the event '${name}'${seen}`));
    }, timeoutMs);
    events.on(name, listener);
  });
}
