/** A group of prom-client metrics with one prefix in one registry, and the metrics whose values are read when they are asked for. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** Shows one value with its labels, in the order of the names. */
export type Show = (value: number, ...labels: string[]) => void;

/** How a value stands for several processes: all together, or one of them. Counters and histograms add up. */
export type Together = 'sum' | 'min' | 'max' | 'first';

export class MetricSet {
  /** False = readings show nothing. */
  live = false;
  readonly #registry: Registry;
  readonly #prefix: string;
  readonly #names: string[] = [];

  constructor(registry: Registry, prefix: string) {
    this.#registry = registry;
    this.#prefix = prefix;
  }

  get names(): readonly string[] {
    return this.#names;
  }

  counter<L extends string>(name: string, help: string, labelNames: readonly L[]): Counter<L> {
    return new Counter({ ...this.#describe(name, help), labelNames });
  }

  histogram<L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    buckets: readonly number[],
  ): Histogram<L> {
    return new Histogram({ ...this.#describe(name, help), labelNames, buckets: [...buckets] });
  }

  /** A metric that keeps nothing: `read` shows all its values, each time. Labels no longer shown are gone. */
  reading(
    kind: 'counter' | 'gauge',
    name: string,
    help: string,
    labelNames: readonly string[],
    read: (show: Show) => void,
    aggregator: Together = 'sum',
  ): void {
    const set = this;
    const labelled = (labels: readonly string[]) =>
      Object.fromEntries(labelNames.map((label, index) => [label, labels[index] ?? '']));
    const described = { ...this.#describe(name, help), labelNames };
    if (kind === 'gauge') {
      new Gauge({
        ...described,
        aggregator,
        collect() {
          this.reset();
          if (set.live) read((value, ...labels) => this.set(labelled(labels), value));
        },
      });
    } else {
      new Counter({
        ...described,
        collect() {
          this.reset();
          if (set.live) read((value, ...labels) => this.inc(labelled(labels), value));
        },
      });
    }
  }

  /** Takes all of them out of the registry. Idempotent. */
  dispose(): void {
    this.live = false;
    for (const name of this.#names) this.#registry.removeSingleMetric(name);
    this.#names.length = 0;
  }

  #describe(name: string, help: string): { name: string; help: string; registers: Registry[] } {
    const full = `${this.#prefix}${name}`;
    this.#names.push(full);
    return { name: full, help, registers: [this.#registry] };
  }
}
