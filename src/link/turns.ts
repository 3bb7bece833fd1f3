/**
 * Turns of connections that have more to work through than is fair at once: one of them each time round the event loop, so that between
 * any two all other sockets are served. One queue for the process, as there is one event loop.
 */
export interface TurnTaker {
  takeTurn(): void;
}

export class Turns {
  readonly #waiting: TurnTaker[] = [];
  #scheduled = false;
  #taken = 0;

  /** Turns taken so far. */
  get taken(): number {
    return this.#taken;
  }

  /** Who waits now. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** It has one turn, after all those who wait already. */
  wait(taker: TurnTaker): void {
    this.#waiting.push(taker);
    this.#schedule();
  }

  /** Resolves when it is the caller's turn. */
  next(): Promise<void> {
    return new Promise((resolve) => this.wait({ takeTurn: resolve }));
  }

  #schedule(): void {
    if (this.#scheduled || this.#waiting.length === 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      const taker = this.#waiting.shift();
      // Before the turn: whoever throws in it does not keep the others waiting.
      this.#schedule();
      this.#taken += 1;
      taker?.takeTurn();
    });
  }
}

export const turns = new Turns();
