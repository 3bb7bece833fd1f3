/** How often each limit was reached, and the telling of it: at most once a second for each limit, so that a flood does not flood the log. */

/** Every limit of what clients may do, as it is called in events and metrics; docs/OPERATIONS.md has the options they belong to. */
export const limitNames = [
  'pipes',
  'pipes-per-address',
  'handshakes',
  'handshakes-per-address',
  'connections',
  'pipelined-requests',
  'request-time',
  'hooks-time',
  'start-time',
  'message-bytes',
  'memory',
  'message-time',
  'fragments',
  'messages',
  'control-frames',
  'pongs',
  'close-time',
] as const;
export type LimitName = (typeof limitNames)[number];

/** Who was limited: as much as is known. */
export interface Limited {
  readonly pipeId?: string;
  readonly clientId?: string;
  readonly clientIp?: string;
  readonly backendId?: string;
  readonly backendUrl?: string;
}

const toldEveryMs = 1000;

interface Count {
  total: number;
  /** Of these, told. */
  told: number;
  toldAt: number;
}

export class LimitTally {
  readonly #counts: Readonly<Record<LimitName, Count>>;
  readonly #now: () => number;
  readonly #tell: (limit: LimitName, times: number, who: Limited) => void;

  /**
   * @param now any monotonic clock, milliseconds.
   * @param tell gets how often the limit was reached since it was last told, and who reached it last.
   */
  constructor(now: () => number, tell: (limit: LimitName, times: number, who: Limited) => void) {
    this.#now = now;
    this.#tell = tell;
    this.#counts = Object.fromEntries(
      limitNames.map((name) => [name, { total: 0, told: 0, toldAt: Number.NEGATIVE_INFINITY }]),
    ) as Record<LimitName, Count>;
  }

  /** How often it was reached so far. */
  total(limit: LimitName): number {
    return this.#counts[limit].total;
  }

  /** It was reached. */
  hit(limit: LimitName, who: Limited): void {
    const count = this.#counts[limit];
    count.total += 1;
    const now = this.#now();
    if (now - count.toldAt < toldEveryMs) return;
    const times = count.total - count.told;
    count.told = count.total;
    count.toldAt = now;
    this.#tell(limit, times, who);
  }
}
