/** A binary heap whose items can be removed and moved wherever they are: every change costs O(log n). */
export class IndexedHeap<T extends object> {
  readonly #before: (a: T, b: T) => boolean;
  readonly #items: T[] = [];
  readonly #places = new Map<T, number>();

  /** @param before whether `a` comes out before `b`. */
  constructor(before: (a: T, b: T) => boolean) {
    this.#before = before;
  }

  get size(): number {
    return this.#items.length;
  }

  has(item: T): boolean {
    return this.#places.has(item);
  }

  /** An item that is not in it. */
  add(item: T): void {
    this.#items.push(item);
    this.#up(item, this.#items.length - 1);
  }

  /** False if it was not in it. */
  delete(item: T): boolean {
    const at = this.#places.get(item);
    if (at === undefined) return false;
    this.#places.delete(item);
    const last = this.#items.pop()!;
    if (last !== item) this.#settle(last, at);
    return true;
  }

  /** What orders this item has changed. */
  moved(item: T): void {
    this.#settle(item, this.#places.get(item)!);
  }

  first(): T | undefined {
    return this.#items[0];
  }

  /** The first that is accepted; k items refused before it cost O(k^2), and there are few. */
  firstOf(accept: (item: T) => boolean): T | undefined {
    const items = this.#items;
    if (items.length === 0 || accept(items[0]!)) return items[0];
    // Whatever comes next is a child of one that was refused.
    const open = [1, 2].filter((at) => at < items.length);
    while (open.length > 0) {
      let best = 0;
      for (let at = 1; at < open.length; at += 1) {
        if (this.#before(items[open[at]!]!, items[open[best]!]!)) best = at;
      }
      const at = open[best]!;
      if (accept(items[at]!)) return items[at];
      open[best] = open.at(-1)!;
      open.pop();
      for (const child of [2 * at + 1, 2 * at + 2]) if (child < items.length) open.push(child);
    }
    return undefined;
  }

  #settle(item: T, at: number): void {
    if (at > 0 && this.#before(item, this.#items[(at - 1) >> 1]!)) this.#up(item, at);
    else this.#down(item, at);
  }

  #up(item: T, at: number): void {
    while (at > 0) {
      const above = (at - 1) >> 1;
      const other = this.#items[above]!;
      if (!this.#before(item, other)) break;
      this.#put(other, at);
      at = above;
    }
    this.#put(item, at);
  }

  #down(item: T, at: number): void {
    const items = this.#items;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= items.length) break;
      if (below + 1 < items.length && this.#before(items[below + 1]!, items[below]!)) below += 1;
      const other = items[below]!;
      if (!this.#before(other, item)) break;
      this.#put(other, at);
      at = below;
    }
    this.#put(item, at);
  }

  #put(item: T, at: number): void {
    this.#items[at] = item;
    this.#places.set(item, at);
  }
}
