/** The bytes that all journals together may hold (buffer.maxTotalBytes), and who is dealt with when they reach it. */
export interface BudgetTenant {
  /** Bytes held now. */
  readonly heldBytes: number;
  /** Of these, what belongs to a message whose rest is not here: it cannot go away while its client is not read. */
  readonly unfinishedBytes: number;
  /** Without a backend: its bytes will not go away by themselves. */
  readonly interrupted: boolean;
  /** Deal with it by its policy; true = its bytes are free now or soon. */
  yieldMemory(): boolean;
  /** Its unfinished message, and with it its client, is given up; the bytes are free at once. */
  giveUpUnfinished(): void;
  /** There is room again. */
  memoryAvailable(): void;
}

/** Reading goes on below this share of the bound, so that it does not stop and go at the edge. */
const resumeShare = 0.9;

export class MemoryBudget {
  maxBytes: number;
  #usedBytes = 0;
  readonly #waiting = new Set<BudgetTenant>();
  readonly #tenants: () => Iterable<BudgetTenant>;

  constructor(maxBytes: number, tenants: () => Iterable<BudgetTenant>) {
    this.maxBytes = maxBytes;
    this.#tenants = tenants;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  get full(): boolean {
    return this.#usedBytes >= this.maxBytes;
  }

  change(bytes: number): void {
    this.#usedBytes += bytes;
    if (bytes < 0 && this.#waiting.size > 0 && this.#usedBytes < this.maxBytes * resumeShare) this.#wake();
  }

  /** At the bound: `tenant` is told when there is room, and room is made where that can be. Idempotent. */
  wait(tenant: BudgetTenant): void {
    if (this.#waiting.has(tenant)) return;
    this.#waiting.add(tenant);
    this.relieve();
  }

  /** The largest interrupted pipes are dealt with, as many as it takes; their bytes are free when they have been closed. */
  relieve(): void {
    let excess = this.#usedBytes - this.maxBytes * resumeShare;
    const interrupted = [...this.#tenants()].filter((one) => one.interrupted && one.heldBytes > 0);
    for (const one of interrupted.sort((a, b) => b.heldBytes - a.heldBytes)) {
      if (excess <= 0) return;
      const { heldBytes } = one;
      if (one.yieldMemory()) excess -= heldBytes;
    }
  }

  /**
   * Room does not come by itself: unfinished messages fill the memory, and nobody is read who could finish one. The largest are given up, as
   * many as it takes, so that clients who begin messages and do not end them cannot stop all the others.
   */
  relieveUnfinished(): void {
    const unfinished = [...this.#tenants()].filter((one) => one.unfinishedBytes > 0);
    for (const one of unfinished.sort((a, b) => b.unfinishedBytes - a.unfinishedBytes)) {
      if (this.#usedBytes < this.maxBytes * resumeShare) return;
      one.giveUpUnfinished();
    }
  }

  leave(tenant: BudgetTenant): void {
    this.#waiting.delete(tenant);
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const tenant of waiting) tenant.memoryAvailable();
  }
}
