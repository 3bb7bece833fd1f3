/**
 * The last events of each pipe, to read the exact sequence that led to a disconnection, and those of the pipes that closed last.
 *
 * Of heartbeats only what went wrong is kept: a healthy pipe writes nothing here however often it pings, so 5,000 idle pipes cost
 * their three opening events each (about 0.8 KiB) and no work. From a missed heartbeat until that hop answers again, its pings
 * and pongs are kept too; `silentMs` of the missed one says when the last byte came.
 */
import type { Hop } from '../heartbeat/settings.ts';
import { fieldsWithout, shown } from './event-table.ts';
import type { EventName, EventSink, HoldfastEvents } from './events.ts';

export const historyLength = 50;
const closedPipes = 200;

export interface HistoryEntry {
  /** ISO 8601 with milliseconds. */
  readonly at: string;
  readonly event: EventName;
  readonly fields: Readonly<Record<string, string | number | boolean | null>>;
}

/** Events with which the history of a pipe may begin; any other that comes without one is too late. */
const beginnings: ReadonlySet<EventName> = new Set<EventName>([
  'backend.attempt',
  'backend.attempt-failed',
  'backend.awaited',
  'pipe.opened',
  'pipe.adopted',
]);
/** The pipe says so itself, or it is in the audit. */
const kept = fieldsWithout(new Set(['pipeId', 'clientId', 'clientIp', 'before', 'after']));
const suspectBit: Readonly<Record<Hop, number>> = { client: 1, backend: 2 };

/** One event, in a list: an array per pipe would keep room for a dozen it never has. */
class Entry {
  /** Milliseconds since the history began: a small integer. */
  readonly atMs: number;
  readonly name: EventName;
  /** Of `kept[name]`, in its order: an object with the fields takes three times as much. */
  readonly values: readonly unknown[];
  next: Entry | null = null;

  constructor(atMs: number, name: EventName, values: readonly unknown[]) {
    this.atMs = atMs;
    this.name = name;
    this.values = values;
  }
}

class PipeHistory {
  /** Ms since 1970. */
  readonly #beganAt: number;
  #first: Entry | null = null;
  #last: Entry | null = null;
  #length = 0;
  opened = false;
  /** Hops that missed a heartbeat and have not answered since. */
  suspects = 0;

  constructor(beganAt: number) {
    this.#beganAt = beganAt;
  }

  add<N extends EventName>(at: number, name: N, event: HoldfastEvents[N]): void {
    const source = event as Readonly<Record<string, unknown>>;
    const values = kept[name].map(([field]) => source[field]);
    const entry = new Entry(Math.max(0, at - this.#beganAt), name, values);
    if (this.#last === null) this.#first = entry;
    else this.#last.next = entry;
    this.#last = entry;
    if (this.#length < historyLength) this.#length += 1;
    else this.#first = this.#first?.next ?? null;
  }

  list(): HistoryEntry[] {
    const entries: HistoryEntry[] = [];
    for (let entry = this.#first; entry !== null; entry = entry.next) {
      const fields: Record<string, unknown> = {};
      for (const [index, [field, kind]] of kept[entry.name].entries()) {
        const value = entry.values[index];
        if (value !== undefined) fields[field] = shown(kind, value);
      }
      entries.push({
        at: new Date(this.#beganAt + entry.atMs).toISOString(),
        event: entry.name,
        fields: fields as HistoryEntry['fields'],
      });
    }
    return entries;
  }
}

/** `V` = what is shown of a closed pipe beside its history. */
export class PipeHistories<V extends object> {
  readonly #live = new Map<string, PipeHistory>();
  readonly #closed = new Map<string, { readonly view: V; readonly history: PipeHistory }>();
  readonly #wallClock: () => number;
  /** Live pipes with suspects: while there is none a ping costs one comparison. */
  #suspicious = 0;

  constructor(wallClock: () => number = Date.now) {
    this.#wallClock = wallClock;
  }

  /** Live pipes that have a history. */
  get size(): number {
    return this.#live.size;
  }

  /** A sink for EventStream.tap. */
  readonly sink: EventSink = Object.assign(
    <N extends EventName>(name: N, event: HoldfastEvents[N]): void => this.#hear(name, event),
    { beat: (): boolean => this.#suspicious > 0 },
  );

  #hear<N extends EventName>(name: N, event: HoldfastEvents[N]): void {
    if (name === 'heartbeat.ping' || name === 'heartbeat.pong') {
      if (this.#suspicious > 0) this.#beat(name, event as HoldfastEvents['heartbeat.ping' | 'heartbeat.pong']);
      return;
    }
    if (!('pipeId' in event)) return;
    let history = this.#live.get(event.pipeId);
    if (history === undefined) {
      if (!beginnings.has(name)) return;
      history = new PipeHistory(this.#wallClock());
      this.#live.set(event.pipeId, history);
    }
    history.add(this.#wallClock(), name, event);
    if (name === 'pipe.opened' || name === 'pipe.adopted') history.opened = true;
    else if (name === 'heartbeat.missed') {
      this.#suspect(history, history.suspects | suspectBit[(event as HoldfastEvents['heartbeat.missed']).hop]);
    } else if (name === 'backend.detached') this.#suspect(history, history.suspects & ~suspectBit.backend);
  }

  /** Oldest first, at most 50. */
  of(pipeId: string): readonly HistoryEntry[] {
    return this.#live.get(pipeId)?.list() ?? [];
  }

  /** The pipe is gone; `view` is how it looked last. Pipes that never opened are forgotten. */
  close(pipeId: string, view: () => V): void {
    const history = this.#live.get(pipeId);
    if (history === undefined) return;
    this.#suspect(history, 0);
    this.#live.delete(pipeId);
    if (!history.opened) return;
    this.#closed.set(pipeId, { view: view(), history });
    if (this.#closed.size > closedPipes) this.#closed.delete(this.#closed.keys().next().value as string);
  }

  /** One of the last 200 pipes that were open and closed. */
  closed(pipeId: string): (V & { readonly history: readonly HistoryEntry[] }) | undefined {
    const found = this.#closed.get(pipeId);
    return found === undefined ? undefined : { ...found.view, history: found.history.list() };
  }

  #beat(name: 'heartbeat.ping' | 'heartbeat.pong', event: HoldfastEvents[typeof name]): void {
    const history = this.#live.get(event.pipeId);
    if (history === undefined || (history.suspects & suspectBit[event.hop]) === 0) return;
    history.add(this.#wallClock(), name, event);
    if (name === 'heartbeat.pong') this.#suspect(history, history.suspects & ~suspectBit[event.hop]);
  }

  #suspect(history: PipeHistory, suspects: number): void {
    if (history.suspects === 0 && suspects !== 0) this.#suspicious += 1;
    else if (history.suspects !== 0 && suspects === 0) this.#suspicious -= 1;
    history.suspects = suspects;
  }
}
