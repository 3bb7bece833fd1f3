import type { CloseInfo } from './frame-codec.ts';
import { type Exit, ManagedChild } from './managed-child.ts';
import { endWith, type OptionalOwner } from './owner.ts';
import { deferred, until, type WaitOptions, withTimeout } from './wait.ts';

export interface ProcessClientOptions {
  readonly protocols?: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
  /** PEM to trust. */
  readonly ca?: string;
  readonly noPong?: boolean;
}

export type ProcessClientCommand =
  | { readonly do: 'send'; readonly data: string | Uint8Array }
  | { readonly do: 'messages'; readonly from?: number }
  | ({ readonly do: 'sendNumbered' } & ProcessNumberedOptions)
  | { readonly do: 'stopNumbered' }
  | { readonly do: 'close'; readonly code?: number; readonly reason?: string }
  | { readonly do: 'pause' | 'resume' };

export interface ProcessNumberedOptions {
  readonly intervalMs: number;
  readonly count?: number;
  readonly bytes?: number | readonly number[];
  readonly prefix?: string;
}

export interface ProcessMessage {
  readonly type: 'text' | 'binary';
  readonly data: Uint8Array;
  readonly text: string;
}

/** A `ws` client in a process of its own, which can be frozen and killed. */
export class ProcessClient {
  readonly protocol: string;
  /** Resolves when its WebSocket is closed; never, if it is killed first (see `exited`). */
  readonly closed: Promise<CloseInfo>;
  readonly #child: ManagedChild;

  constructor(child: ManagedChild, protocol: string, closed: Promise<CloseInfo>) {
    this.#child = child;
    this.protocol = protocol;
    this.closed = closed;
  }

  get pid(): number {
    return this.#child.pid;
  }

  get exited(): Promise<Exit> {
    return this.#child.exited;
  }

  /** SIGSTOP; resolves when it stands still. */
  freeze(): Promise<void> {
    return this.#child.freeze();
  }

  thaw(): void {
    this.#child.thaw();
  }

  kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    return this.#child.kill(signal);
  }

  command<T = void>(command: ProcessClientCommand, timeoutMs?: number): Promise<T> {
    return this.#child.request<T>(command, timeoutMs);
  }

  send(data: string | Uint8Array): Promise<void> {
    return this.command({ do: 'send', data });
  }

  sendNumbered(options: ProcessNumberedOptions): Promise<void> {
    return this.command({ do: 'sendNumbered', ...options });
  }

  /** Answers how many were sent. */
  stopNumbered(): Promise<number> {
    return this.command<number>({ do: 'stopNumbered' });
  }

  close(code?: number, reason?: string): Promise<void> {
    return this.command({
      do: 'close',
      ...(code === undefined ? {} : { code }),
      ...(reason === undefined ? {} : { reason }),
    });
  }

  /** All that came, or from that index on. */
  async messages(from = 0): Promise<readonly ProcessMessage[]> {
    const found = await this.command<{ readonly type: 'text' | 'binary'; readonly data: Uint8Array }[]>({
      do: 'messages',
      from,
    });
    return found.map(({ type, data }) => ({ type, data, text: Buffer.from(data).toString() }));
  }

  waitFor(predicate: (message: ProcessMessage) => boolean, options: WaitOptions = {}): Promise<ProcessMessage> {
    return until(async () => (await this.messages()).find(predicate) as ProcessMessage, {
      what: 'a message of the client process',
      ...options,
    });
  }

  waitClosed(timeoutMs = 5_000): Promise<CloseInfo> {
    return withTimeout(this.closed, timeoutMs, 'the client process to see its WebSocket closed');
  }
}

/** Resolves when its WebSocket is open; SIGKILLed when its owner ends, with null by the caller's `kill()`. */
export async function startProcessClient(
  t: OptionalOwner,
  url: string,
  options: ProcessClientOptions = {},
): Promise<ProcessClient> {
  const closed = deferred<CloseInfo>();
  const { child, ready } = await ManagedChild.start<{ readonly protocol: string }>({
    module: new URL('./process-client-main.mjs', import.meta.url),
    argument: { ...options, url },
    what: `client process of ${url}`,
    onEvent: (event, data) => {
      if (event === 'closed') closed.resolve(data as CloseInfo);
    },
  });
  endWith(t, () => child.kill());
  return new ProcessClient(child, ready.protocol, closed.promise);
}
