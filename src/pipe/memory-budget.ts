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

  /** At the bound: the largest interrupted pipes are dealt with first; `tenant` is told when there is room. */
  wait(tenant: BudgetTenant): void {
    this.#waiting.add(tenant);
    const interrupted = [...this.#tenants()].filter((one) => one.interrupted).sort((a, b) => b.heldBytes - a.heldBytes);
    for (const one of interrupted) {
      if (!this.full) break;
      one.yieldMemory();
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
