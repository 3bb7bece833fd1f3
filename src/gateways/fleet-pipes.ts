/**
 * The pipes of all gateways in one list, sorted by gateway and then by their beginning. First all are asked how many they have, in a few
 * bytes each; then those for rows that have some on the page.
 */
import { Value } from 'typebox/value';
import type { Courier } from '../cluster/courier.ts';
import { GatewayId } from '../cluster/records.ts';
import { CursorInvalid, PeerFailed } from '../errors.ts';
import type { PipeManager } from '../pipe/pipe-manager.ts';
import { defaultPageSize, ownGateway, parsePosition } from '../pipe/pipe-pages.ts';
import type { PipeFilter, PipePage, PipeQuery, PipeSlice, PipeView } from '../pipe/views.ts';
import { completeness, type Fleet, fleetMs } from './fleet.ts';
import { countQuestion, type FleetPosition, rowsQuestion, type WireFilter } from './pipe-questions.ts';

/** Bytes of rows in one message; a single row may have more. */
const messageBytes = 262_144;
/** Gateways that are asked for rows at one time: with the bytes of a message the bound of what comes in at once. */
const askedAtOnce = 8;
/** Behind all pipes of a gateway. */
const end = Number.MAX_SAFE_INTEGER;

/** What a page takes of one gateway. */
interface Part {
  readonly gateway: string;
  readonly after: number;
  readonly limit: number;
}

type ListedPipes = Pick<PipeManager, 'slicePipes' | 'countPipes'>;

interface Rows extends PipeSlice {
  /** Why these are not all that were wanted; null = they are. */
  readonly failure: unknown;
}

export class FleetPipes {
  readonly #manager: ListedPipes;
  readonly #fleet: Fleet;

  constructor(manager: ListedPipes, fleet: Fleet) {
    this.#manager = manager;
    this.#fleet = fleet;
  }

  /** Answers what others ask. @returns what ends that. */
  serve(courier: Courier): () => void {
    const { id } = this.#fleet;
    const stops = [
      courier.serve(countQuestion, ({ filter, from }) => this.#manager.countPipes(filter, positionAt(id, from))),
      courier.serve(rowsQuestion, ({ filter, after, limit }) => {
        const slice = this.#manager.slicePipes(filter, { after, limit, room: roomFor(messageBytes) });
        return { ...slice, pipes: [...slice.pipes] };
      }),
    ];
    return () => {
      for (const stop of stops) stop();
    };
  }

  /**
   * @throws HOLDFAST_ERR_CURSOR; where one gateway is asked for, HOLDFAST_ERR_GATEWAY_NOT_FOUND, HOLDFAST_ERR_STORE_UNAVAILABLE,
   * HOLDFAST_ERR_PEER_SILENT and HOLDFAST_ERR_PEER_FAILED.
   */
  async page({ gateway, limit = defaultPageSize, cursor, ...given }: PipeQuery): Promise<PipePage> {
    const filter = filterOf(given);
    const from = parseCursor(cursor);
    if (gateway !== undefined) {
      const one = gateway === ownGateway ? this.#fleet.id : gateway;
      return this.#pageOf({ gateway: one, after: positionAt(one, from), limit }, filter);
    }
    const heard = await this.#fleet.askAll(countQuestion, { filter, from });
    const { id } = this.#fleet;
    const own = { gateway: id, answer: this.#manager.countPipes(filter, positionAt(id, from)) };
    const counts = [own, ...heard.answers].sort((one, other) => (one.gateway < other.gateway ? -1 : 1));
    const total = counts.reduce((sum, { answer }) => sum + answer.total, 0);
    // Whatever a gateway says, behind its end there is nothing: each page goes on.
    const rest = counts
      .map(({ gateway: one, answer }) => ({ gateway: one, after: positionAt(one, from), left: answer.left }))
      .filter(({ after }) => after < end);
    const parts = planPage(rest, limit);
    const found = await this.#collect(parts, filter);
    const failed = parts.filter((_part, at) => found[at]!.failure !== null);
    const { partial, missing } = completeness(heard);
    return {
      pipes: parts.flatMap((part, at) => rowsOf(part, found[at]!)),
      total,
      next: nextCursor(parts.at(-1), found.at(-1), rest.reduce((sum, { left }) => sum + left, 0) > limit),
      partial: partial || failed.length > 0,
      missing: [...missing, ...failed.map((part) => part.gateway)].sort(),
    };
  }

  async #pageOf(part: Part, filter: WireFilter): Promise<PipePage> {
    const rows = await this.#rows(part, filter, performance.now() + fleetMs);
    if (rows.failure !== null) throw rows.failure;
    const next = nextCursor(part, rows, false);
    return { pipes: rowsOf(part, rows), total: rows.total, next, partial: false, missing: [] };
  }

  /** The rows of each part, of few gateways at a time. */
  async #collect(parts: readonly Part[], filter: WireFilter): Promise<Rows[]> {
    const until = performance.now() + fleetMs;
    const found: Rows[] = [];
    const waiting = parts.entries();
    const work = async (): Promise<void> => {
      for (const [at, part] of waiting) found[at] = await this.#rows(part, filter, until);
    };
    await Promise.all(Array.from({ length: askedAtOnce }, work));
    return found;
  }

  async #rows({ gateway, after, limit }: Part, filter: WireFilter, until: number): Promise<Rows> {
    if (gateway === this.#fleet.id) return { ...this.#manager.slicePipes(filter, { after, limit }), failure: null };
    const pipes: PipeView[] = [];
    let rows: Rows = { pipes, total: 0, last: after, more: true, failure: null };
    while (rows.more && pipes.length < limit) {
      try {
        const asked = { filter, after: rows.last, limit: limit - pipes.length };
        const slice = await this.#fleet.ask(gateway, rowsQuestion, asked, Math.max(1, until - performance.now()));
        checkSlice(gateway, asked, slice);
        pipes.push(...slice.pipes);
        rows = { ...slice, pipes, failure: null };
      } catch (failure) {
        return { ...rows, failure };
      }
    }
    return rows;
  }
}

function filterOf({ state, backendId, clientId }: PipeFilter): WireFilter {
  return {
    ...(state === undefined ? {} : { state }),
    ...(backendId === undefined ? {} : { backendId }),
    ...(clientId === undefined ? {} : { clientId }),
  };
}

/** Which gateways have rows on the page, and how many. */
function planPage(rest: readonly { gateway: string; after: number; left: number }[], limit: number): Part[] {
  const parts: Part[] = [];
  let room = limit;
  for (const { gateway, after, left } of rest) {
    const wanted = Math.min(left, room);
    if (wanted > 0) parts.push({ gateway, after, limit: wanted });
    room -= wanted;
  }
  return parts;
}

function rowsOf({ gateway }: Part, { pipes }: Rows): PipeView[] {
  return pipes.map((pipe) => ({ ...pipe, gateway }));
}

/** Where in the list of one gateway a page begins that begins at `from` in the list of all. */
function positionAt(gateway: string, from: FleetPosition | null): number {
  if (from === null || gateway > from.gateway) return 0;
  return gateway === from.gateway ? from.position : end;
}

/** @throws HOLDFAST_ERR_CURSOR */
function parseCursor(cursor: string | undefined): FleetPosition | null {
  if (cursor === undefined) return null;
  const [gateway = '', position, ...rest] = cursor.split(':');
  if (position === undefined || !Value.Check(GatewayId, gateway) || rest.length > 0) throw new CursorInvalid(cursor);
  return { gateway, position: parsePosition(position) };
}

/** Behind the last row; behind all of a gateway that gave none, so that each page goes on. @param behind others have more. */
function nextCursor(part: Part | undefined, rows: Rows | undefined, behind: boolean): string | null {
  if (part === undefined || rows === undefined || !(rows.more || behind)) return null;
  return `${part.gateway}:${rows.pipes.length > 0 ? rows.last : end}`;
}

/** @throws HOLDFAST_ERR_PEER_FAILED for what is not what was asked for, or would be asked for without end. */
function checkSlice(gateway: string, asked: { after: number; limit: number }, { pipes, last, more }: PipeSlice): void {
  const stuck = last < asked.after || (more && (pipes.length === 0 || last === asked.after));
  if (stuck || pipes.length > asked.limit) throw new PeerFailed(gateway, 'its rows are not those that were asked for');
}

/** A slice has room for so many bytes, and for one row at least. */
function roomFor(maxBytes: number): (pipe: PipeView) => boolean {
  let used = 0;
  return (pipe) => {
    const first = used === 0;
    used += Buffer.byteLength(JSON.stringify(pipe));
    return first || used <= maxBytes;
  };
}
