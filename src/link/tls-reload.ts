/** Everything of a gateway that was made of certificate files, so that one call reads them all anew. */
import type { EventStream, TlsPart } from '../observe/events.ts';

export interface ReloadableTls {
  readonly part: TlsPart;
  /**
   * Takes the files as they are now, for connections to come.
   * @returns when our own certificate ends; null = there is none.
   * @throws Error whose message says what is wrong; then nothing has changed.
   */
  reload(): Date | null;
}

export interface TlsReloaded {
  readonly part: TlsPart;
  /** Null = it went well. Else the old files stay in use. */
  readonly error: string | null;
  readonly validTo: Date | null;
}

export class TlsReload {
  readonly #events: EventStream;
  readonly #parts: ReloadableTls[] = [];

  constructor(events: EventStream) {
    this.#events = events;
  }

  add(part: ReloadableTls): void {
    this.#parts.push(part);
  }

  /** One part that fails keeps what it had, and does not keep the others from going on. */
  reload(): TlsReloaded[] {
    return this.#parts.map((one) => {
      const { part } = one;
      try {
        const validTo = one.reload();
        this.#events.emit('tls.reloaded', {
          part,
          ...(validTo === null ? {} : { validTo: validTo.toISOString() }),
        });
        return { part, error: null, validTo };
      } catch (error) {
        const detail = error instanceof Error ? error.message : String(error);
        this.#events.emit('tls.reload-failed', { part, detail });
        return { part, error: detail, validTo: null };
      }
    });
  }
}
