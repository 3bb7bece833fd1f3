/**
 * Turns of all who have more to be worked through than is fair at once: one turn each time round the event loop, so that between any two
 * all other sockets are served. Links, handshakes and requests alternate, so that however many there are of the one, the others go on.
 * One object for the process, as there is one event loop.
 */
export interface TurnTaker {
  takeTurn(): void;
}

export class Turns {
  readonly #links: TurnTaker[] = [];
  readonly #upgrades: TurnTaker[] = [];
  /** Handshakes whose backend has answered; bounded by the upgrades that had their turn. */
  readonly #answered: TurnTaker[] = [];
  readonly #requests: TurnTaker[] = [];
  #passes = 0;
  #scheduled = false;
  #taken = 0;

  /** Turns taken so far. */
  get taken(): number {
    return this.#taken;
  }

  /** Who waits now. */
  get waiting(): number {
    return this.#links.length + this.#upgrades.length + this.#answered.length + this.#requests.length;
  }

  /** A link has one turn, after all links that wait already. */
  wait(link: TurnTaker): void {
    this.#wait(this.#links, link);
  }

  /** A handshake begins in its turn, after all handshakes that wait already. */
  waitToBegin(upgrade: TurnTaker): void {
    this.#wait(this.#upgrades, upgrade);
  }

  /** Resolves when it is the turn of a handshake that has begun: before all that have not. */
  waitToFinish(): Promise<void> {
    return new Promise((resolve) => this.#wait(this.#answered, { takeTurn: resolve }));
  }

  /** A request without an upgrade has its turn, after all such requests that wait already. */
  waitToServe(request: TurnTaker): void {
    this.#wait(this.#requests, request);
  }

  #wait(queue: TurnTaker[], taker: TurnTaker): void {
    queue.push(taker);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.waiting === 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      const taker = this.#next();
      // Before the turn: whoever throws in it does not keep the others waiting.
      this.#schedule();
      this.#taken += 1;
      taker?.takeTurn();
    });
  }

  #next(): TurnTaker | undefined {
    const handshakes = this.#answered.length > 0 ? this.#answered : this.#upgrades;
    const queues = [this.#links, handshakes, this.#requests];
    for (const _ of queues) {
      const taker = queues[this.#passes % queues.length]?.shift();
      this.#passes += 1;
      if (taker !== undefined) return taker;
    }
    return undefined;
  }
}

export const turns = new Turns();
