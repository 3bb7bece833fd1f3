/** What the end of a backend link, or its answer to a dial, means. Pure. */
import type { DialError } from '../link/dial.ts';
import { closeCode, isSendableCloseCode } from '../wire/close-codes.ts';

/**
 * Whether the pipe takes the next backend after a Close with `code` (1006 = none came), or passes it to the client. A code that may
 * not be sent means a broken backend. A draining backend that ends normally wants its clients elsewhere.
 */
export function meansFailover(code: number, codes: readonly number[], draining: boolean): boolean {
  if (codes.includes(code)) return true;
  if (code === closeCode.noStatus || code === closeCode.normal) return draining;
  return !isSendableCloseCode(code);
}

/** An answer to the client itself, which no other backend would give otherwise: 4xx except 408 and 429. Null = try the next backend. */
export function refusalStatus(error: DialError): number | null {
  const { statusCode } = error;
  if (error.failure !== 'status' || statusCode === undefined) return null;
  return statusCode >= 400 && statusCode < 500 && statusCode !== 408 && statusCode !== 429 ? statusCode : null;
}

/** Counts links in a row that failed with the same oldest unacknowledged message. */
export class PoisonCount {
  #message = -1;
  #links = 0;

  /** A link failed while `oldest` (its number in the stream) had been sent to it; null = nothing was. @returns links in a row. */
  failed(oldest: number | null): number {
    if (oldest === null) return 0;
    this.#links = oldest === this.#message ? this.#links + 1 : 1;
    this.#message = oldest;
    return this.#links;
  }
}
