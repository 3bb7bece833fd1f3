/**
 * GatewayMetrics: what Prometheus is shown. Events count what is rare as it happens; heartbeats, traffic and everything that can be
 * read is read at the scrape, so relaying a message costs nothing here. Labels come from fixed lists, but for `backend`, whose
 * series go when the backend does. docs/OPERATIONS.md lists every metric and is compared with them by a test.
 */
import { Registry } from 'prom-client';
import type { EventSink } from './events.ts';
import { EventCounts } from './metric-counts.ts';
import { declareReadings } from './metric-readings.ts';
import { MetricSet } from './metric-set.ts';
import { type MetricsSource, Scrape } from './scrape.ts';

export interface MetricsSettings {
  /** Where the metrics are registered. Default: a registry of their own, so that two gateways in one process do not clash. */
  readonly registry?: Registry | undefined;
  readonly version: string;
}

export class GatewayMetrics {
  readonly registry: Registry;
  /** A sink for EventStream.tap. */
  readonly sink: EventSink;
  readonly #set: MetricSet<Scrape>;
  readonly #counts: EventCounts;

  /** @throws if the registry has metrics of these names already. */
  constructor({ registry = new Registry(), version }: MetricsSettings) {
    this.registry = registry;
    this.#set = new MetricSet(registry, 'holdfast_');
    declareReadings(this.#set, version);
    this.#counts = new EventCounts(this.#set);
    this.sink = this.#counts.sink;
  }

  /** Names of all metrics, without the _bucket, _sum and _count of histograms. */
  get names(): readonly string[] {
    return this.#set.names;
  }

  /** What is read at each scrape. Before this the readings are left out. */
  watch(source: MetricsSource): void {
    for (const { id } of source.backends()) this.#counts.addBackend(id);
    this.#set.source = new Scrape(source, this.#counts);
  }

  /** The whole registry as Prometheus reads it. */
  async text(): Promise<{ readonly contentType: string; readonly body: string }> {
    return { contentType: this.registry.contentType, body: await this.registry.metrics() };
  }

  /** Takes its metrics out of the registry. Idempotent. */
  dispose(): void {
    this.#set.dispose();
  }
}
