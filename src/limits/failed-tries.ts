/**
 * How often each address may fail within a window, also where it tries many times at once: no more tries of an address are under way than
 * may still fail, and who comes beside them waits. So those who are right are never refused for being many.
 */

/** Addresses remembered; those that failed longest ago are forgotten first. */
const maxAddresses = 5000;

interface Failures {
  count: number;
  /** Of the first of them. */
  readonly since: number;
}

interface UnderWay {
  count: number;
  /** Who waits for its turn, in order. */
  readonly waiting: (() => void)[];
}

export interface Turn {
  /** Has to be called once. */
  end(failed: boolean): void;
}

export class FailedTries {
  readonly #max: number;
  readonly #windowMs: number;
  readonly #now: () => number;
  /** Oldest failure first. */
  readonly #failures = new Map<string, Failures>();
  readonly #underWay = new Map<string, UnderWay>();

  /** @param max failures within windowMs. @param now milliseconds; a clock that nobody sets back. */
  constructor(max: number, windowMs: number, now = () => performance.now()) {
    this.#max = max;
    this.#windowMs = windowMs;
    this.#now = now;
  }

  /** @returns its turn; or, where the address has failed too often, milliseconds until it may try again. */
  async begin(address: string): Promise<Turn | number> {
    for (;;) {
      const now = this.#now();
      const { count, since } = this.#failuresOf(address, now);
      if (count >= this.#max) return since + this.#windowMs - now;
      if (count + (this.#underWay.get(address)?.count ?? 0) < this.#max) return this.#turn(address);
      await new Promise<void>((resolve) => this.#tries(address).waiting.push(resolve));
    }
  }

  #turn(address: string): Turn {
    this.#tries(address).count += 1;
    let open = true;
    const leave = (): void => {
      if (!open) return;
      open = false;
      this.#tries(address).count -= 1;
      this.#wake(address);
    };
    // One that takes longer counts no more, as a failure would: who never answers keeps nobody else out for ever.
    const timer = setTimeout(leave, this.#windowMs).unref();
    return {
      end: (failed) => {
        clearTimeout(timer);
        if (failed) this.#fail(address);
        leave();
      },
    };
  }

  #fail(address: string): void {
    const { count, since } = this.#failuresOf(address, this.#now());
    this.#failures.delete(address);
    this.#failures.set(address, { count: count + 1, since });
    if (this.#failures.size <= maxAddresses) return;
    for (const oldest of this.#failures.keys()) {
      this.#failures.delete(oldest);
      return;
    }
  }

  /** As many as may try now; all of them, where none may any more. */
  #wake(address: string): void {
    const tries = this.#tries(address);
    const { count } = this.#failuresOf(address, this.#now());
    const room = count >= this.#max ? tries.waiting.length : Math.max(0, this.#max - count - tries.count);
    const woken = tries.waiting.splice(0, room);
    if (tries.count === 0 && tries.waiting.length === 0) this.#underWay.delete(address);
    for (const wake of woken) wake();
  }

  /** Within the window. */
  #failuresOf(address: string, now: number): Failures {
    const failures = this.#failures.get(address);
    if (failures !== undefined && now - failures.since < this.#windowMs) return failures;
    this.#failures.delete(address);
    return { count: 0, since: now };
  }

  #tries(address: string): UnderWay {
    let tries = this.#underWay.get(address);
    if (tries === undefined) {
      tries = { count: 0, waiting: [] };
      this.#underWay.set(address, tries);
    }
    return tries;
  }
}
