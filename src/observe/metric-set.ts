/** A group of prom-client metrics with one prefix in one registry, and the metrics whose values are read when they are asked for. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** Shows one value with its labels, in the order of the names. */
export type Show = (value: number, ...labels: string[]) => void;

/** How a value stands for several processes: all together, or one of them. Counters and histograms add up. */
export type Together = 'sum' | 'min' | 'max' | 'first';

/** @typeParam S what the readings are read from. */
export class MetricSet<S> {
  /** Null = readings show nothing. */
  source: S | null = null;
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

  /** A counter with one label, of which all values are known: each is shown from the start, as 0. */
  counterBy<L extends string>(name: string, help: string, label: L, values: readonly string[]): Counter<L> {
    const counter = this.counter(name, help, [label]);
    for (const value of values) counter.inc({ [label]: value } as Record<L, string>, 0);
    return counter;
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
    read: (from: S, show: Show) => void,
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
          if (set.source !== null) read(set.source, (value, ...labels) => this.set(labelled(labels), value));
        },
      });
    } else {
      new Counter({
        ...described,
        collect() {
          this.reset();
          if (set.source !== null) read(set.source, (value, ...labels) => this.inc(labelled(labels), value));
        },
      });
    }
  }

  /** Takes all of them out of the registry. Idempotent. */
  dispose(): void {
    this.source = null;
    for (const name of this.#names) this.#registry.removeSingleMetric(name);
    this.#names.length = 0;
  }

  #describe(name: string, help: string): { name: string; help: string; registers: Registry[] } {
    const full = `${this.#prefix}${name}`;
    this.#names.push(full);
    return { name: full, help, registers: [this.#registry] };
  }
}
