/**
 * The lists of a hashed timer wheel. Pure: no clock and no callback; ticks come in, expired nodes come out.
 * A node due in tick t lies in the list of slot t mod `slotCount`, so adding and removing cost O(1); one that is due in a
 * later round stays where it is when its slot comes by. The lists are intrusive: a node carries its own links.
 */

/** A list node, or with `due` unused the head of a list. Not in a list: both links are null. */
export class SlotNode {
  next: SlotNode | null = null;
  prev: SlotNode | null = null;
  /** The tick in which the node expires. */
  due = 0;
}

/** Slots of one round; a power of two. At 10 ms a step one round is 5.12 s. */
const slotCount = 512;
const slotMask = slotCount - 1;

export class WheelSlots<N extends SlotNode> {
  readonly #heads: SlotNode[] = Array.from({ length: slotCount }, emptyHead);
  /** Expired and not taken yet, in order. */
  readonly #expired: SlotNode = emptyHead();
  #size = 0;

  /** Nodes in all lists, the expired ones that were not taken included. */
  get size(): number {
    return this.#size;
  }

  add(node: N, due: number): void {
    node.due = due;
    append(this.#heads[due & slotMask]!, node);
    this.#size += 1;
  }

  /** The node must be in a list. */
  remove(node: N): void {
    unlink(node);
    this.#size -= 1;
  }

  /** Expires what is due in the ticks after `from` up to `to`; what fell due earlier is taken earlier. */
  expire(from: number, to: number): void {
    if (to - from >= slotCount) {
      this.#expireRound(to);
      return;
    }
    for (let tick = from + 1; tick <= to; tick += 1) {
      const head = this.#heads[tick & slotMask]!;
      for (let node = head.next!; node !== head; ) {
        const next = node.next!;
        if (node.due <= tick) {
          unlink(node);
          append(this.#expired, node);
        }
        node = next;
      }
    }
  }

  /** Takes the next expired node out, null when there is none. */
  takeExpired(): N | null {
    const first = this.#expired.next!;
    if (first === this.#expired) return null;
    unlink(first);
    this.#size -= 1;
    return first as N;
  }

  /** The next tick after `from` whose slot is not empty, at most `from + most`. */
  nextBusy(from: number, most: number): number {
    const last = from + most;
    for (let tick = from + 1; tick < last; tick += 1) {
      const head = this.#heads[tick & slotMask]!;
      if (head.next !== head) return tick;
    }
    return last;
  }

  clear(): void {
    for (const head of this.#heads) empty(head);
    empty(this.#expired);
    this.#size = 0;
  }

  /** After a long stop of the process: one walk over all slots instead of one for each round that was missed. */
  #expireRound(to: number): void {
    const due: SlotNode[] = [];
    for (const head of this.#heads) {
      for (let node = head.next!; node !== head; node = node.next!) if (node.due <= to) due.push(node);
    }
    // Stable, and nodes of one tick lie in one slot in the order they were added.
    due.sort((a, b) => a.due - b.due);
    for (const node of due) {
      unlink(node);
      append(this.#expired, node);
    }
  }
}

function emptyHead(): SlotNode {
  const head = new SlotNode();
  head.next = head;
  head.prev = head;
  return head;
}

function append(head: SlotNode, node: SlotNode): void {
  const last = head.prev!;
  node.prev = last;
  node.next = head;
  last.next = node;
  head.prev = node;
}

function unlink(node: SlotNode): void {
  node.prev!.next = node.next;
  node.next!.prev = node.prev;
  node.next = null;
  node.prev = null;
}

function empty(head: SlotNode): void {
  while (head.next !== head) unlink(head.next!);
}
