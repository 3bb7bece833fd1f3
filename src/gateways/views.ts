/** What the operator is shown of the gateways. */
export interface GatewayView {
  readonly id: string;
  readonly name: string;
  /** Where its HTTP is, as its option cluster.address says; '' = it does not say. */
  readonly address: string;
  /** Null = it speaks another version of what gateways say of themselves. */
  readonly version: string | null;
  /** ISO 8601. */
  readonly startedAt: string | null;
  readonly pipes: number | null;
  /** It takes no more clients. */
  readonly closing: boolean;
  /** Milliseconds since its last sign of life. */
  readonly ageMs: number;
  /** It is the one that answers. */
  readonly self: boolean;
}

export interface GatewayPage {
  readonly gateways: readonly GatewayView[];
  /** False = the store does not answer: the list is the last that was known. */
  readonly up: boolean;
  /** Why it does not; null = it does. */
  readonly failure: string | null;
}
