/**
 * By turns, as often as the weights say, and spread: 5:1:1 is not a a a a a b c. Each backend's turns are 1/weight apart on a line of
 * its own time, and whoever's is next is taken (earliest deadline first), which needs no look at the others.
 */
import type { Backend } from './backend.ts';
import type { Balancer, BalancingContext } from './balancer.ts';
import { IndexedHeap } from './indexed-heap.ts';

interface Turns {
  readonly backend: Backend;
  weight: number;
  /** When it is due; while it is no candidate, how long it still has to wait. */
  next: number;
  /** Of two due at once the one that came first. */
  readonly order: number;
}

/** Where in its interval a newcomer begins, so that equals do not come in a row: the golden ratio spreads any number of them. */
const golden = 0.618_033_988_749_895;

export class RoundRobin implements Balancer {
  readonly #due = new IndexedHeap<Turns>((a, b) => a.next < b.next || (a.next === b.next && a.order < b.order));
  readonly #turns = new Map<Backend, Turns>();
  #now = 0;
  #came = 0;

  add(backend: Backend, weight: number): void {
    let turns = this.#turns.get(backend);
    if (turns === undefined) {
      const order = this.#came;
      this.#came += 1;
      turns = { backend, weight, next: ((order * golden) % 1) / weight, order };
      this.#turns.set(backend, turns);
    } else {
      this.#weigh(turns, weight);
    }
    // What it had waited counts, the time it was away does not.
    turns.next += this.#now;
    this.#due.add(turns);
  }

  delete(backend: Backend): void {
    const turns = this.#turns.get(backend);
    if (turns !== undefined && this.#due.delete(turns)) turns.next -= this.#now;
  }

  changed(backend: Backend, weight: number): void {
    const turns = this.#turns.get(backend)!;
    if (turns.weight === weight) return;
    turns.next -= this.#now;
    this.#weigh(turns, weight);
    turns.next += this.#now;
    this.#due.moved(turns);
  }

  forget(backend: Backend): void {
    this.delete(backend);
    this.#turns.delete(backend);
  }

  pick({ exclude }: BalancingContext): Backend | null {
    const turns =
      exclude === undefined ? this.#due.first() : this.#due.firstOf(({ backend }) => !exclude.has(backend.id));
    if (turns === undefined) return null;
    this.#now = Math.max(this.#now, turns.next);
    turns.next += 1 / turns.weight;
    this.#due.moved(turns);
    return turns.backend;
  }

  /** Half of an interval waited stays half of one. */
  #weigh(turns: Turns, weight: number): void {
    turns.next *= turns.weight / weight;
    turns.weight = weight;
  }
}
