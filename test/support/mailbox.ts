import { defaultTimeoutMs, describeWait, failureAt, type WaitOptions } from './wait.ts';

/** What has arrived, in order: `next()` takes one after the other, `waitFor()` looks at all without taking. */
export class Mailbox<T> {
  readonly all: T[] = [];
  readonly #what: string;
  readonly #checks = new Set<() => void>();
  #taken = 0;
  #endedBecause: string | undefined;

  constructor(what: string) {
    this.#what = what;
  }

  get unread(): number {
    return this.all.length - this.#taken;
  }

  push(item: T): void {
    this.all.push(item);
    this.#check();
  }

  /** Nothing more will come: those who wait fail at once and are told the reason. */
  end(reason: string): void {
    if (this.#endedBecause !== undefined) return;
    this.#endedBecause = reason;
    this.#check();
  }

  next(options: WaitOptions = {}): Promise<T> {
    return this.#wait(() => (this.#taken < this.all.length ? { item: this.all[this.#taken++]! } : undefined), options);
  }

  /** The first item, also of those already there or taken, for which the predicate holds. */
  waitFor(predicate: (item: T) => boolean, options: WaitOptions = {}): Promise<T> {
    let seen = 0;
    return this.#wait(() => {
      while (seen < this.all.length) {
        const item = this.all[seen++]!;
        if (predicate(item)) return { item };
      }
      return undefined;
    }, options);
  }

  /** Resolves when there are at least `count` items in all. */
  async count(count: number, options: WaitOptions = {}): Promise<readonly T[]> {
    const what = () => `${describeWait(options.what, 'items')} (${this.all.length} of ${count})`;
    await this.#wait(() => (this.all.length >= count ? { item: this.all } : undefined), { ...options, what });
    return this.all;
  }

  #check(): void {
    for (const check of [...this.#checks]) check();
  }

  #wait<V>(take: () => { readonly item: V } | undefined, options: WaitOptions): Promise<V> {
    const { timeoutMs = defaultTimeoutMs } = options;
    const fail = failureAt(new Error());
    const got = () => `${this.#what} (${this.all.length} came, ${this.unread} not taken)`;
    return new Promise<V>((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined;
      const stop = () => {
        clearTimeout(timer);
        this.#checks.delete(check);
      };
      const check = () => {
        try {
          const found = take();
          if (found) {
            stop();
            resolve(found.item);
          } else if (this.#endedBecause !== undefined) {
            stop();
            reject(fail(`${got()}: ${this.#endedBecause} while waiting for ${describeWait(options.what, 'the next')}`));
          }
        } catch (error) {
          stop();
          reject(error);
        }
      };
      timer = setTimeout(() => {
        stop();
        reject(fail(`Waited ${timeoutMs} ms for ${describeWait(options.what, 'the next')} of ${got()}`));
      }, timeoutMs);
      this.#checks.add(check);
      check();
    });
  }
}
