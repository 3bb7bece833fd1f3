/** The last changes made through the admin API, and the last tries that were refused: who, what, when. Apart, so that a flood of refused tries hides no change. */
import { copyFields } from './event-table.ts';
import type { EventName, EventSink, HoldfastEvents } from './events.ts';

export const keptChanges = 500;
export const keptRefusals = 100;

export type AuditChange = Omit<HoldfastEvents['audit.changed'], 'pipeId'> & {
  /** ISO 8601 with milliseconds. */
  readonly at: string;
  /** The gateway it was made through; only with several. */
  readonly gateway?: string;
};
export type AuditRefusal = Omit<HoldfastEvents['audit.refused'], 'actor'> & {
  /** ISO 8601 with milliseconds. */
  readonly at: string;
  /** Null = somebody unknown. */
  readonly actor: string | null;
  /** The gateway that refused it; only with several. */
  readonly gateway?: string;
};

/** Newest first. */
export interface AuditView {
  readonly changes: readonly AuditChange[];
  readonly refusals: readonly AuditRefusal[];
  /** Only with several gateways: one of them was not heard, so there may be more. */
  readonly partial?: boolean;
  /** Those that did not answer in time, by id. */
  readonly missing?: readonly string[];
}

export interface AuditQuery {
  /** Only what was asked of the gateway with this id; 'self' = of the one that is asked. Default: of all. */
  readonly gateway?: string | undefined;
}

const notShown: ReadonlySet<string> = new Set(['pipeId']);

export class AuditTrail {
  readonly #changes: AuditChange[] = [];
  readonly #refusals: AuditRefusal[] = [];
  readonly #wallClock: () => number;

  constructor(wallClock: () => number = Date.now) {
    this.#wallClock = wallClock;
  }

  /** A sink for EventStream.tap. */
  readonly sink: EventSink = Object.assign(
    <N extends EventName>(name: N, event: HoldfastEvents[N]): void => {
      if (name !== 'audit.changed' && name !== 'audit.refused') return;
      const at = new Date(this.#wallClock()).toISOString();
      if (name === 'audit.changed') {
        this.#changes.push(copyFields(name, event, { at }, notShown) as unknown as AuditChange);
        if (this.#changes.length > keptChanges) this.#changes.shift();
      } else {
        this.#refusals.push(copyFields(name, event, { at, actor: null }) as unknown as AuditRefusal);
        if (this.#refusals.length > keptRefusals) this.#refusals.shift();
      }
    },
    { beat: (): boolean => false },
  );

  view(): AuditView {
    return { changes: [...this.#changes].reverse(), refusals: [...this.#refusals].reverse() };
  }
}
