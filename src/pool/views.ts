/** What the operator is shown of a backend: a plain snapshot, made when asked for. */
export type AdminState = 'enabled' | 'draining' | 'disabled';
export type Health = 'unknown' | 'healthy' | 'unhealthy';

export interface BackendView {
  readonly id: string;
  /** Without query string. */
  readonly url: string;
  readonly weight: number;
  readonly maxConnections: number | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly adminState: AdminState;
  /** unknown = not tried yet; unhealthy = the last try failed. */
  readonly health: Health;
  /** True while a new pipe could go there. */
  readonly usable: boolean;
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
}
