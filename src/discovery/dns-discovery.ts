/**
 * Keeps the pool's backends as DNS names them: looks up the name again and again, registers who is new, takes out who is missing. What it
 * finds is of this gateway alone. A DNS server that fails, lies idle or answers nonsense changes nothing.
 */
import type { EventStream, HoldfastEvents } from '../observe/events.ts';
import type { Backend, BackendOrigin } from '../pool/backend.ts';
import type { BackendInput, RemovalMode } from '../pool/settings.ts';
import { DiscoveredList, type ListedEndpoint } from './discovered-list.ts';
import { askDns, type DnsAnswer } from './dns-answer.ts';
import type { DnsDiscoverySettings } from './settings.ts';

/** What it needs of the gateway; the PipeManager fits. */
export interface DiscoveryTarget {
  readonly events: EventStream;
  readonly pool: {
    find(id: string): Backend | undefined;
    hasUrl(url: string): boolean;
    /** Why this may not be registered; null = it may. */
    refuses(url: string): string | null;
    register(input: BackendInput, origin: BackendOrigin): Backend;
  };
  updateBackend(id: string, change: { weight?: number; adminState?: 'enabled' }): unknown;
  removeBackend(id: string, options: { mode: RemovalMode; cause: 'discovery' }): unknown;
}

export interface DnsDiscoveryHooks {
  /** Default: askDns. */
  readonly ask?: typeof askDns;
  /** Monotonic ms. */
  readonly now?: () => number;
}

type Result = HoldfastEvents['discovery.answered']['result'];

interface Lookup {
  readonly result: Result;
  /** Addresses in the answer, and those of them that are no backends. */
  readonly found: number;
  readonly skipped: number;
  /** What was wrong; null = nothing. */
  readonly detail: string | null;
  readonly startedAt: number;
}

/** Share of the interval by which lookups are spread, so that gateways that began together do not ask together. */
const jitter = 0.1;

export class DnsDiscovery {
  readonly #settings: DnsDiscoverySettings;
  readonly #target: DiscoveryTarget;
  readonly #ask: typeof askDns;
  readonly #now: () => number;
  readonly #list: DiscoveredList;
  readonly #ended = new AbortController();
  #timer: NodeJS.Timeout | null = null;
  /** When the first of the lookups in a row that failed was; null = the latest did not. */
  #failingSince: number | null = null;
  #skippedBefore = '';

  constructor(settings: DnsDiscoverySettings, target: DiscoveryTarget, hooks: DnsDiscoveryHooks = {}) {
    const { ask = askDns, now = () => performance.now() } = hooks;
    this.#settings = settings;
    this.#target = target;
    this.#ask = ask;
    this.#now = now;
    this.#list = new DiscoveredList({ graceMs: settings.graceMs, max: settings.maxBackends });
    const { events } = target;
    events.on('backend.removed', this.#onRemoved).on('backend.updated', this.#onUpdated);
    events.once('gateway.closing', () => this.dispose());
  }

  /** Looks now, and every `intervalMs` from then on. */
  start(): void {
    void this.#look();
  }

  /** Ends a lookup under way. The backends that were found stay. Idempotent. */
  dispose(): void {
    this.#ended.abort();
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#target.events.off('backend.removed', this.#onRemoved).off('backend.updated', this.#onUpdated);
  }

  readonly #onRemoved = ({ backendId }: HoldfastEvents['backend.removed']): void => this.#list.removed(backendId);
  readonly #onUpdated = ({ backendId, before }: HoldfastEvents['backend.updated']): void => {
    if (before['adminState'] === 'draining') this.#list.revived(backendId);
  };

  async #look(): Promise<void> {
    const { signal } = this.#ended;
    const startedAt = this.#now();
    const answer = await this.#ask(this.#settings, signal);
    if (signal.aborted) return;
    this.#take(answer, startedAt);
    const { intervalMs } = this.#settings;
    const delayMs = intervalMs * (1 - jitter + 2 * jitter * Math.random());
    this.#timer = setTimeout(() => void this.#look(), delayMs).unref();
  }

  #take({ endpoints, problem }: DnsAnswer, startedAt: number): void {
    const skipped: string[] = [];
    const allowed = endpoints.filter((endpoint) => {
      const refused = this.#target.pool.refuses(this.#urlOf(endpoint));
      if (refused !== null) skipped.push(refused);
      return refused === null;
    });
    const complete = problem === null;
    // Nothing at all is what a server says that has lost its zone, too.
    const empty = complete && allowed.length === 0 && this.#settings.onEmpty === 'keep';
    if (!empty) this.#apply(allowed, complete, skipped);
    const result: Result = complete ? (empty ? 'empty' : 'ok') : allowed.length > 0 ? 'partial' : 'failed';
    const detail = problem ?? (empty ? this.#emptyDetail : null);
    this.#tell({ result, found: endpoints.length, skipped: skipped.length, detail, startedAt });
    this.#tellSkipped(skipped);
  }

  get #emptyDetail(): string {
    return `${this.#settings.name} has no address that may be used`;
  }

  #apply(endpoints: DnsAnswer['endpoints'], complete: boolean, skipped: string[]): void {
    const { joined, returned, reweighted, left, surplus } = this.#list.apply(endpoints, complete, this.#now());
    for (let count = 0; count < surplus; count += 1) skipped.push(`over discovery.dns.maxBackends`);
    const added = joined.filter((endpoint) => this.#register(endpoint, skipped));
    for (const { id } of returned) this.#target.updateBackend(id, { adminState: 'enabled' });
    for (const endpoint of reweighted) this.#target.updateBackend(endpoint.id, { weight: this.#weightOf(endpoint) });
    for (const { id } of left) this.#target.removeBackend(id, { mode: this.#settings.removal, cause: 'discovery' });
    if (added.length + returned.length + left.length === 0) return;
    this.#target.events.emit('discovery.changed', {
      dnsName: this.#settings.name,
      added: added.length,
      returned: returned.length,
      removed: left.length,
      backends: this.#list.size,
    });
  }

  /** @returns true = it is in the pool now, by us. */
  #register(endpoint: ListedEndpoint, skipped: string[]): boolean {
    const { pool } = this.#target;
    const url = this.#urlOf(endpoint);
    const { id } = endpoint;
    // Somebody has registered it by hand: then it is theirs.
    const taken = pool.hasUrl(url);
    if (!taken && pool.find(id) === undefined) {
      const { maxConnections = null, name } = this.#settings;
      const labels = { discovery: 'dns', 'discovery/name': name };
      pool.register({ id, url, weight: this.#weightOf(endpoint), maxConnections, labels }, 'dns');
      return true;
    }
    this.#list.drop(id);
    if (!taken) skipped.push(`the id ${id} is that of another backend`);
    return false;
  }

  #weightOf({ weight }: ListedEndpoint): number {
    return this.#settings.weight ?? weight ?? 1;
  }

  #urlOf({ address, port }: { readonly address: string; readonly port: number }): string {
    const { scheme, path } = this.#settings;
    return `${scheme}://${address.includes(':') ? `[${address}]` : address}:${port}${path}`;
  }

  #tell({ result, found, skipped, detail, startedAt }: Lookup): void {
    const { events } = this.#target;
    const now = this.#now();
    const dnsName = this.#settings.name;
    const backends = this.#list.size;
    events.emit('discovery.answered', { dnsName, result, found, skipped, backends, lookupMs: now - startedAt });
    if (detail !== null && this.#failingSince === null) {
      this.#failingSince = startedAt;
      events.emit('discovery.failed', { dnsName, detail, backends });
    } else if (detail === null && this.#failingSince !== null) {
      events.emit('discovery.recovered', { dnsName, failedMs: now - this.#failingSince, backends });
      this.#failingSince = null;
    }
  }

  /** Once, until it is something else. */
  #tellSkipped(skipped: readonly string[]): void {
    const all = [...skipped].sort();
    const text = all.join('\n');
    if (text !== this.#skippedBefore && all.length > 0) {
      const { name: dnsName } = this.#settings;
      this.#target.events.emit('discovery.skipped', { dnsName, skipped: all.length, detail: all[0]! });
    }
    this.#skippedBefore = text;
  }
}
