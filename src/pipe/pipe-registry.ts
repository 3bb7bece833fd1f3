/** The live pipes of one gateway: by id, by client, by backend, and page by page. */
import { PipeNotFound } from '../errors.ts';
import type { Slot } from '../limits/occupancy.ts';
import type { Backend } from '../pool/backend.ts';
import type { BudgetTenant } from './memory-budget.ts';
import type { PersistentPipe } from './persistent-pipe.ts';
import type { PipeCount, PipeFilter, PipeSlice, PipeSliceOrder, PipeView } from './views.ts';

export class PipeRegistry {
  readonly #pipes = new Map<string, PersistentPipe>();
  readonly #clients = new Map<string, PersistentPipe>();
  /** Position of each pipe in the order of their beginning, for pages. */
  readonly #order = new WeakMap<PersistentPipe, number>();
  readonly #slots = new WeakMap<PersistentPipe, Slot>();
  #added = 0;

  get size(): number {
    return this.#pipes.size;
  }

  /** In the order of their beginning. */
  [Symbol.iterator](): IterableIterator<PersistentPipe> {
    return this.#pipes.values();
  }

  find(id: string): PersistentPipe | undefined {
    return this.#pipes.get(id);
  }

  /** @throws HOLDFAST_ERR_PIPE_NOT_FOUND */
  get(id: string): PersistentPipe {
    const pipe = this.#pipes.get(id);
    if (pipe === undefined) throw new PipeNotFound(id);
    return pipe;
  }

  /** The pipe that has this client id. */
  ofClient(clientId: string): PersistentPipe | undefined {
    return this.#clients.get(clientId);
  }

  attached(backend: Backend): PersistentPipe[] {
    const pipes: PersistentPipe[] = [];
    for (const pipe of this.#pipes.values()) if (pipe.backend?.backend === backend) pipes.push(pipe);
    return pipes;
  }

  /** For the bound of the process. */
  *tenants(): IterableIterator<BudgetTenant> {
    for (const pipe of this.#pipes.values()) yield pipe.tenant;
  }

  /** Null = it has left. */
  slotOf(pipe: PersistentPipe): Slot | null {
    return this.#slots.get(pipe) ?? null;
  }

  /** The client came back by another upgrade, whose slot is the pipe's from now on. */
  reseat(pipe: PersistentPipe, slot: Slot): void {
    this.slotOf(pipe)?.end();
    this.#slots.set(pipe, slot);
  }

  /** From here its client id is taken; the slot lasts until it is removed; null = its client is away. */
  add(pipe: PersistentPipe, slot: Slot | null): void {
    this.#added += 1;
    if (slot !== null) this.#slots.set(pipe, slot);
    this.#pipes.set(pipe.id, pipe);
    this.#clients.set(pipe.request.clientId, pipe);
    this.#order.set(pipe, this.#added);
  }

  /** The client id is free for another pipe. Idempotent. */
  freeClient(pipe: PersistentPipe): void {
    const { clientId } = pipe.request;
    if (this.#clients.get(clientId) === pipe) this.#clients.delete(clientId);
  }

  remove(pipe: PersistentPipe): void {
    this.freeClient(pipe);
    this.#pipes.delete(pipe.id);
    this.slotOf(pipe)?.end();
    this.#slots.delete(pipe);
  }

  /** As PipeManager.slicePipes(). */
  slice(
    filter: PipeFilter,
    { after, limit, room }: PipeSliceOrder,
    view: (pipe: PersistentPipe) => PipeView,
  ): PipeSlice {
    const pipes: PipeView[] = [];
    let total = 0;
    let last = after;
    let more = false;
    for (const [pipe, position] of this.#fitting(filter)) {
      total += 1;
      if (position <= after || more) continue;
      const row = pipes.length < limit ? view(pipe) : null;
      if (row !== null && (room === undefined || room(row))) {
        pipes.push(row);
        last = position;
      } else {
        more = true;
      }
    }
    return { pipes, total, last, more };
  }

  count(filter: PipeFilter, after: number): PipeCount {
    let total = 0;
    let left = 0;
    for (const [, position] of this.#fitting(filter)) {
      total += 1;
      if (position > after) left += 1;
    }
    return { total, left };
  }

  *#fitting({ state, backendId, clientId }: PipeFilter): IterableIterator<[PersistentPipe, number]> {
    for (const pipe of this.#pipes.values()) {
      if (state !== undefined && pipe.state !== state) continue;
      if (backendId !== undefined && pipe.backend?.backend.id !== backendId) continue;
      if (clientId !== undefined && pipe.request.clientId !== clientId) continue;
      yield [pipe, this.#order.get(pipe)!];
    }
  }
}
