/** The live pipes of one gateway: by id, by client, by backend, and page by page. */
import { PipeNotFound } from '../errors.ts';
import type { Slot } from '../limits/occupancy.ts';
import type { Backend } from '../pool/backend.ts';
import type { BudgetTenant } from './memory-budget.ts';
import type { PersistentPipe } from './persistent-pipe.ts';
import type { PipeCount, PipeFilter, PipeSlice, PipeSliceOrder, PipeView } from './views.ts';

/**
 * A pipe's place, which it leaves when it ends. The tables have places and no pipes: V8 leaves a table that it made anew pointing to the one in
 * its stead, so once one of them lies in the old generation, all later ones and what was ever in them outlive each collection of the young.
 */
class Place {
  pipe: PersistentPipe | null;
  slot: Slot | null;
  /** In the order of their beginning, for pages. */
  readonly position: number;

  constructor(pipe: PersistentPipe, slot: Slot, position: number) {
    this.pipe = pipe;
    this.slot = slot;
    this.position = position;
  }
}

export class PipeRegistry {
  readonly #places = new Map<string, Place>();
  readonly #clients = new Map<string, Place>();
  #added = 0;

  get size(): number {
    return this.#places.size;
  }

  /** In the order of their beginning. */
  *[Symbol.iterator](): IterableIterator<PersistentPipe> {
    for (const { pipe } of this.#places.values()) if (pipe !== null) yield pipe;
  }

  find(id: string): PersistentPipe | undefined {
    return this.#places.get(id)?.pipe ?? undefined;
  }

  /** @throws HOLDFAST_ERR_PIPE_NOT_FOUND */
  get(id: string): PersistentPipe {
    const pipe = this.find(id);
    if (pipe === undefined) throw new PipeNotFound(id);
    return pipe;
  }

  /** The pipe that has this client id. */
  ofClient(clientId: string): PersistentPipe | undefined {
    return this.#clients.get(clientId)?.pipe ?? undefined;
  }

  attached(backend: Backend): PersistentPipe[] {
    return [...this].filter((pipe) => pipe.backend?.backend === backend);
  }

  /** For the bound of the process. */
  *tenants(): IterableIterator<BudgetTenant> {
    for (const pipe of this) yield pipe.tenant;
  }

  /** Null = it has left. */
  slotOf(pipe: PersistentPipe): Slot | null {
    return this.#placeOf(pipe)?.slot ?? null;
  }

  /** The client came back by another upgrade, whose slot is the pipe's from now on. */
  reseat(pipe: PersistentPipe, slot: Slot): void {
    const place = this.#placeOf(pipe);
    if (place === undefined) return;
    place.slot?.end();
    place.slot = slot;
  }

  /** From here its client id is taken; the slot lasts until it is removed. */
  add(pipe: PersistentPipe, slot: Slot): void {
    this.#added += 1;
    const place = new Place(pipe, slot, this.#added);
    this.#places.set(pipe.id, place);
    this.#clients.set(pipe.request.clientId, place);
  }

  /** The client id is free for another pipe. Idempotent. */
  freeClient(pipe: PersistentPipe): void {
    const { clientId } = pipe.request;
    if (this.#clients.get(clientId)?.pipe === pipe) this.#clients.delete(clientId);
  }

  remove(pipe: PersistentPipe): void {
    this.freeClient(pipe);
    const place = this.#placeOf(pipe);
    if (place === undefined) return;
    this.#places.delete(pipe.id);
    place.slot?.end();
    place.slot = null;
    place.pipe = null;
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
    for (const { pipe, position } of this.#places.values()) {
      if (pipe === null) continue;
      if (state !== undefined && pipe.state !== state) continue;
      if (backendId !== undefined && pipe.backend?.backend.id !== backendId) continue;
      if (clientId !== undefined && pipe.request.clientId !== clientId) continue;
      yield [pipe, position];
    }
  }

  #placeOf(pipe: PersistentPipe): Place | undefined {
    const place = this.#places.get(pipe.id);
    return place?.pipe === pipe ? place : undefined;
  }
}
