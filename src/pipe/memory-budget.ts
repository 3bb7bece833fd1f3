/** The bytes that all journals together may hold (buffer.maxTotalBytes), and who is dealt with when they reach it. */
export interface BudgetTenant {
  /** Bytes held now. */
  readonly heldBytes: number;
  /** Without a backend: its bytes will not go away by themselves. */
  readonly interrupted: boolean;
  /** Deal with it by its policy; true = its bytes are free now or soon. */
  yieldMemory(): boolean;
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

  leave(tenant: BudgetTenant): void {
    this.#waiting.delete(tenant);
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const tenant of waiting) tenant.memoryAvailable();
  }
}
