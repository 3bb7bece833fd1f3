/** What the operator is shown of a backend: a plain snapshot, made when asked for. */
import type { Health } from '../observe/vocabulary.ts';
import type { AdminState } from './settings.ts';

/** A backend over all gateways that share the pool. */
export interface BackendFleetView {
  /** Gateways that have it and were heard. */
  readonly gateways: number;
  /** Of those, where a new pipe could go there. */
  readonly usable: number;
  readonly connections: number;
  readonly dialing: number;
  readonly totals: { readonly attached: number; readonly failed: number; readonly ejections: number };
}

export interface BackendView {
  readonly id: string;
  /** Without query string. */
  readonly url: string;
  readonly weight: number;
  readonly maxConnections: number | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly adminState: AdminState;
  /**
   * With health checks their verdict: an unhealthy backend gets no new pipes. Without: unknown = not tried yet, or not
   * since it was disabled or enabled; unhealthy = the last try while it was enabled failed, which alone leaves nobody out.
   */
  readonly health: Health;
  /** True while a new pipe could go there. */
  readonly usable: boolean;
  /** What the latest health check found; null = none yet, or it is not checked. `at` = when it ended, ISO 8601. */
  readonly lastCheck: {
    readonly at: string;
    readonly passed: boolean;
    readonly detail: string;
    readonly checkMs: number;
  } | null;
  /** ISO 8601; until then it is left out. Null = not ejected. */
  readonly ejectedUntil: string | null;
  readonly connections: number;
  readonly dialing: number;
  readonly consecutiveFailures: number;
  readonly totals: { readonly attached: number; readonly failed: number; readonly ejections: number };
  /** What last failed; null = nothing yet. */
  readonly lastError: { readonly at: string; readonly detail: string } | null;
  /** ISO 8601. */
  readonly registeredAt: string;
  /** Progress of a drain under way; null = none. */
  readonly drain: {
    readonly startedAt: string;
    readonly remaining: number;
    readonly migrated: number;
    readonly failedOver: number;
  } | null;
  /** Revision of the shared pool; only with several gateways. */
  readonly revision?: number;
  /** The same over all gateways that answered; only with several gateways. What is above is of the one that was asked. */
  readonly fleet?: BackendFleetView;
}

export interface BackendPage {
  readonly backends: readonly BackendView[];
  /** Revision of the shared pool; only with several gateways. */
  readonly revision?: number;
  /** A gateway was not heard: `fleet` is without it. Only with several gateways. */
  readonly partial?: boolean;
  /** Those that did not answer in time, by id. */
  readonly missing?: readonly string[];
}
