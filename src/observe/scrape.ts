/** What is read of a gateway at each scrape of its metrics; the PipeManager fits MetricsSource by its shape. */
import type { LimitName } from '../limits/limit-tally.ts';
import type { HoldfastEvents } from './events.ts';
import { type GatewayReadings, type PipeSums, sumPipes } from './readings.ts';
import type { GatewayStats } from './stats.ts';

export interface MetricsSource extends GatewayReadings {
  readonly statistics: GatewayStats;
  readonly tally: { total(limit: LimitName): number };
  readonly entrance: { readonly arriving: number; readonly addresses: number; readonly forgottenAddresses: number };
  readonly pool: { readonly dialsFilled: number; readonly ejectionsWithheld: number };
  /** Of all gateways of this process. */
  readonly turns: { readonly taken: number };
  readiness(): { readonly ready: boolean };
  /** Null = this gateway is alone. */
  readonly clusterState: (() => { readonly up: boolean; readonly gateways: number }) | null;
}

/** What the events have told last, where only the last counts. */
export interface LatestEvents {
  /** Null = there was none. */
  readonly lookup: HoldfastEvents['discovery.answered'] | null;
}

export class Scrape {
  readonly from: MetricsSource;
  readonly latest: LatestEvents;
  #pipes: PipeSums | null = null;

  constructor(from: MetricsSource, latest: LatestEvents) {
    this.from = from;
    this.latest = latest;
  }

  get totals(): GatewayStats['totals'] {
    return this.from.statistics.totals;
  }

  /** Read once for all metrics of a scrape, which are collected in one go. */
  get sums(): PipeSums {
    if (this.#pipes === null) {
      this.#pipes = sumPipes(this.from.readings());
      queueMicrotask(() => {
        this.#pipes = null;
      });
    }
    return this.#pipes;
  }

  /** Of all pipes since the start. */
  traffic(of: keyof PipeSums['traffic']): number {
    return this.from.statistics.closedTraffic[of] + this.sums.traffic[of];
  }
}
