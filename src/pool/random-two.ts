/** Two different candidates drawn by weight; the one with the lower load per weight is taken. */
import type { Backend } from './backend.ts';
import type { Balancer, BalancingContext } from './balancer.ts';
import { loadOf } from './least-connections.ts';

export class RandomTwo implements Balancer {
  readonly #random: () => number;
  readonly #slots = new Map<Backend, number>();
  readonly #free: number[] = [];
  #backends: (Backend | undefined)[] = [undefined];
  /** A tree of sums: the weights are its second half, each number before them is that of the two below it. */
  #sums = new Float64Array(2);
  /** Slots left out of the present pick, and their weights. */
  readonly #hidden: number[] = [];
  readonly #hiddenWeights: number[] = [];

  constructor(random: () => number) {
    this.#random = random;
    this.#free.push(0);
  }

  add(backend: Backend, weight: number): void {
    if (this.#free.length === 0) this.#grow();
    const slot = this.#free.pop()!;
    this.#slots.set(backend, slot);
    this.#backends[slot] = backend;
    this.#weigh(slot, weight);
  }

  delete(backend: Backend): void {
    const slot = this.#slots.get(backend);
    if (slot === undefined) return;
    this.#slots.delete(backend);
    this.#backends[slot] = undefined;
    this.#free.push(slot);
    this.#weigh(slot, 0);
  }

  changed(backend: Backend, weight: number): void {
    const slot = this.#slots.get(backend)!;
    if (this.#weightOf(slot) !== weight) this.#weigh(slot, weight);
  }

  forget(backend: Backend): void {
    this.delete(backend);
  }

  pick({ exclude }: BalancingContext): Backend | null {
    const picked = this.#pick(exclude);
    for (const [at, slot] of this.#hidden.entries()) this.#weigh(slot, this.#hiddenWeights[at]!);
    this.#hidden.length = 0;
    this.#hiddenWeights.length = 0;
    return picked < 0 ? null : this.#backends[picked]!;
  }

  /** A slot, or -1. */
  #pick(exclude: BalancingContext['exclude']): number {
    const first = this.#draw(exclude);
    if (first < 0) return -1;
    const load = loadOf(this.#backends[first]!, this.#weightOf(first));
    this.#hide(first);
    const second = this.#draw(exclude);
    return second >= 0 && loadOf(this.#backends[second]!, this.#weightOf(second)) < load ? second : first;
  }

  /** A slot by weight, of those neither hidden nor excluded, or -1. */
  #draw(exclude: BalancingContext['exclude']): number {
    const sums = this.#sums;
    const half = sums.length >> 1;
    while (sums[1]! > 0) {
      let point = this.#random() * sums[1]!;
      let at = 1;
      while (at < half) {
        at *= 2;
        // A point that rounding has put beyond the last weight belongs to it.
        if (point >= sums[at]! && sums[at + 1]! > 0) {
          point -= sums[at]!;
          at += 1;
        }
      }
      const slot = at - half;
      if (exclude?.has(this.#backends[slot]!.id) !== true) return slot;
      this.#hide(slot);
    }
    return -1;
  }

  #hide(slot: number): void {
    this.#hidden.push(slot);
    this.#hiddenWeights.push(this.#weightOf(slot));
    this.#weigh(slot, 0);
  }

  #weightOf(slot: number): number {
    return this.#sums[(this.#sums.length >> 1) + slot]!;
  }

  #weigh(slot: number, weight: number): void {
    const sums = this.#sums;
    let at = (sums.length >> 1) + slot;
    sums[at] = weight;
    // Added up anew each time: adding differences would let rounding errors grow.
    for (at >>= 1; at >= 1; at >>= 1) sums[at] = sums[2 * at]! + sums[2 * at + 1]!;
  }

  #grow(): void {
    const had = this.#backends.length;
    const weights = this.#sums.slice(had);
    this.#sums = new Float64Array(4 * had);
    for (let slot = 2 * had - 1; slot >= had; slot -= 1) this.#free.push(slot);
    this.#backends = [...this.#backends, ...new Array<undefined>(had).fill(undefined)];
    for (const [slot, weight] of weights.entries()) this.#sums[2 * had + slot] = weight;
    for (let at = 2 * had - 1; at >= 1; at -= 1) this.#sums[at] = this.#sums[2 * at]! + this.#sums[2 * at + 1]!;
  }
}
