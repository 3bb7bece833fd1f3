/** GET /metrics on any worker: the primary asks all of them, waits for so long, and adds up. */
import type { MetricJson } from './messages.ts';
import { MetricsSums } from './metrics-sums.ts';

/** What is shown of the workers themselves. */
export const workerMetrics = [
  { of: 'workers', name: 'holdfast_workers', type: 'gauge', help: 'Worker processes that are to serve.' },
  {
    of: 'answered',
    name: 'holdfast_workers_answered',
    type: 'gauge',
    help: 'Those that are in these figures: whose gauges are added up here.',
  },
  {
    of: 'restarts',
    name: 'holdfast_worker_restarts_total',
    type: 'counter',
    help: 'Workers that had died and were started anew.',
  },
] as const;

export interface MetricsGatheringSettings {
  /** The workers that can be asked. */
  readonly workers: () => readonly { readonly id: number; collect(id: number): void }[];
  /** Processes that are to serve, and how often one was started anew. */
  readonly figures: () => { readonly workers: number; readonly restarts: number };
  /** Longest wait for an answer, milliseconds. Default 1,000. */
  readonly timeoutMs?: number;
}

export class MetricsGathering {
  readonly #settings: MetricsGatheringSettings;
  readonly #sums = new MetricsSums();
  #round = 0;
  /** The round under way: whoever asks meanwhile gets the same page. */
  #page: Promise<string> | null = null;
  #open = new Set<number>();
  #finish: () => void = () => {};

  constructor(settings: MetricsGatheringSettings) {
    this.#settings = settings;
  }

  page(): Promise<string> {
    this.#page ??= this.#gather().finally(() => {
      this.#page = null;
    });
    return this.#page;
  }

  /** @param round 0 = it was not asked. */
  take(worker: number, metrics: readonly MetricJson[], round = 0): void {
    this.#sums.note(worker, metrics);
    if (round === this.#round) this.#close(worker);
  }

  /** The worker has ended. */
  depart(worker: number): void {
    this.#sums.depart(worker);
    this.#close(worker);
  }

  async #gather(): Promise<string> {
    this.#round += 1;
    const asked = this.#settings.workers();
    this.#open = new Set(asked.map(({ id }) => id));
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, this.#settings.timeoutMs ?? 1000);
      this.#finish = () => {
        clearTimeout(timer);
        resolve();
      };
      for (const worker of asked) worker.collect(this.#round);
      if (asked.length === 0) this.#finish();
    });
    const answered = new Set(asked.map(({ id }) => id).filter((id) => !this.#open.has(id)));
    return this.#sums.text(answered, this.#own(answered.size));
  }

  #close(worker: number): void {
    if (this.#open.delete(worker) && this.#open.size === 0) this.#finish();
  }

  #own(answered: number): MetricJson[] {
    const values = { ...this.#settings.figures(), answered };
    return workerMetrics.map(({ of, ...metric }) => ({
      ...metric,
      aggregator: 'sum',
      values: [{ value: values[of], labels: {} }],
    }));
  }
}
