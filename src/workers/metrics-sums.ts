/**
 * The metrics of several workers as those of one gateway. Counters and histograms never go back: what a worker has counted that has ended,
 * or does not answer, still counts. Gauges are those of the workers that have answered.
 */
import { AggregatorRegistry, type PrometheusContentType, type Registry } from 'prom-client';
import type { MetricJson } from './messages.ts';

type Value = MetricJson['values'][number];

export class MetricsSums {
  /** What each worker said last. */
  readonly #latest = new Map<number, readonly MetricJson[]>();
  /** What the workers have counted that are gone. */
  #departed: readonly MetricJson[] = [];

  note(worker: number, metrics: readonly MetricJson[]): void {
    this.#latest.set(worker, metrics);
  }

  /** A worker has ended. */
  depart(worker: number): void {
    const last = this.#latest.get(worker);
    if (last === undefined) return;
    this.#latest.delete(worker);
    this.#departed = add([this.#departed, last.filter(counts)]);
  }

  /** @param answered the workers whose gauges hold. @param more metrics to be shown besides. */
  async text(answered: ReadonlySet<number>, more: readonly MetricJson[]): Promise<string> {
    const living = [...this.#latest].map(([worker, metrics]) =>
      answered.has(worker) ? metrics : metrics.filter(counts),
    );
    this.#forgetSeries(living);
    return await aggregate([...living, this.#departed, more]).metrics();
  }

  /** Of a backend that is in no worker's pool any more no series is left. Where no worker is, nobody says which those are. */
  #forgetSeries(living: readonly (readonly MetricJson[])[]): void {
    if (living.length === 0) return;
    const known = new Set(living.flatMap((metrics) => metrics.flatMap(({ name, values }) => values.map(keyOf(name)))));
    this.#departed = this.#departed.map((metric) => {
      const key = keyOf(metric.name);
      return { ...metric, values: metric.values.filter((value) => known.has(key(value))) };
    });
  }
}

function counts({ type }: MetricJson): boolean {
  return type !== 'gauge';
}

function keyOf(name: string): (value: Value) => string {
  return ({ metricName = name, labels }) => JSON.stringify([metricName, Object.entries(labels).sort()]);
}

function aggregate(all: readonly (readonly MetricJson[])[]): Registry<PrometheusContentType> {
  return AggregatorRegistry.aggregate<PrometheusContentType>([...all]);
}

function add(all: readonly (readonly MetricJson[])[]): MetricJson[] {
  return aggregate(all)
    .getMetricsAsArray()
    .map((metric) => (metric as unknown as { get(): MetricJson }).get());
}
