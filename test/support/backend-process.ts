import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Exit, ManagedChild } from './managed-child.ts';
import { endWith, type OptionalOwner } from './owner.ts';

/** How the backend behaves; all can be combined. Without any it echoes: text as text, binary as binary. */
export interface BackendOptions {
  /** Default 0: any. The port of one that died, to come back at its address. */
  readonly port?: number;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Echoes begin with `<tag>:`. */
  readonly tag?: string;
  /** Echoes and pushes begin with `<tag>/<connection>/<n>|` instead, n from 1 on each connection: no two are the same, and a missing one is seen. */
  readonly stamp?: boolean;
  /** Default true. */
  readonly echo?: boolean;
  /** Write down what comes, in a file that survives SIGKILL, for `received()`; texts up to `textBytes` (256) as they are. */
  readonly record?: boolean | { readonly textBytes: number };
  /** Sends numbered messages (format: numbered.ts; prefix 'push') to each connection; several sizes are taken in turn. `set`: what is pushed from now on is as it says, every `intervalMs` as before; null: no more. */
  readonly push?: {
    readonly intervalMs: number;
    readonly count?: number;
    readonly bytes?: number | readonly number[];
    readonly prefix?: string;
    readonly binary?: boolean;
  } | null;
  /** Obey texts that are orders (below), and do not echo them. Default true. */
  readonly orders?: boolean;
  /** A text at which the process exits with code 1: poison. It is recorded before. */
  readonly crashOn?: string;
  /** Sent at once to each new connection. */
  readonly hello?: string;
  /** Terminate each connection so long after its 101. */
  readonly dropAfterOpenMs?: number;
  /** Answer upgrades with this status (the first `times` only). */
  readonly refuse?: {
    readonly status: number;
    readonly delayMs?: number;
    readonly times?: number;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: string;
  } | null;
  /** Wait so long before the 101. */
  readonly handshakeDelayMs?: number;
  /** Take connections and never answer the upgrade. */
  readonly neverAnswer?: boolean;
  readonly tls?: {
    readonly cert: string;
    readonly key: string;
    /** Demand a client certificate of this CA. */
    readonly clientCa?: string;
  };
  /** Those it accepts. Default: the first one offered. `[]` = none. */
  readonly subprotocols?: readonly string[];
  /** Never answer pings. */
  readonly noPong?: boolean;
  /** Accept permessage-deflate. */
  readonly compression?: boolean;
  /** On SIGTERM close all (1001) and exit when they are closed, or after `waitMs` (2,000). Without it SIGTERM just kills. */
  readonly graceful?: boolean | { readonly code?: number; readonly reason?: string; readonly waitMs?: number };
  /** `Holdfast-Ticket` in the 101. */
  readonly ticket?: string;
  /** More headers in the 101. */
  readonly responseHeaders?: Readonly<Record<string, string>>;
  /** Of plain HTTP requests. Default 200. */
  readonly healthStatus?: number;
}

/** `id` = one connection (see 'describe'), without it all. */
export type BackendCommand =
  | { readonly do: 'connections' }
  | { readonly do: 'describe'; readonly id?: number }
  | { readonly do: 'send'; readonly data: string | Uint8Array; readonly id?: number }
  | { readonly do: 'ping'; readonly payload?: string; readonly id?: number }
  | { readonly do: 'close'; readonly code?: number; readonly reason?: string; readonly id?: number }
  | { readonly do: 'terminate' | 'reset' | 'pause' | 'resume'; readonly id?: number }
  | { readonly do: 'stall'; readonly ms: number }
  | { readonly do: 'set'; readonly options: Partial<BackendOptions> }
  | { readonly do: 'crash' };

export interface BackendConnection {
  readonly connection: number;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly protocol: string;
  readonly tag: string;
  readonly pid: number;
  readonly bufferedBytes: number;
  /** Echoes and pushes. */
  readonly sent: number;
}

export interface ReceivedMessage {
  readonly type: 'text' | 'binary';
  readonly bytes: number;
  /** Of a text: all of it, or its first `textBytes`. */
  readonly text?: string;
  /** Hex, of a binary message or a text that was cut. */
  readonly sha1?: string;
  readonly at: number;
}

export interface ReceivedConnection {
  /** From 1 in each process. */
  readonly connection: number;
  readonly pid: number;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly protocol: string;
  readonly clientCertificate?: string;
  /** Serial number of that certificate. */
  readonly clientSerial?: string;
  readonly at: number;
  /** In the order in which they came. */
  readonly messages: readonly ReceivedMessage[];
  /** Payloads. */
  readonly pings: readonly string[];
  readonly pongs: readonly string[];
  /** Undefined while open, and for ever after SIGKILL. */
  readonly closed?: {
    readonly code: number;
    readonly reason: string;
    readonly at: number;
    /** Echoes and pushes. */
    readonly sent: number;
  };
}

/** An upgrade request, answered or not. */
export interface ReceivedUpgrade {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly at: number;
}

interface LogEntry {
  readonly kind: string;
  readonly connection: number;
  readonly [field: string]: unknown;
}

/** A `ws` server in a process of its own. */
export class BackendProcess {
  readonly port: number;
  /** Without a path; wss with `tls`. */
  readonly url: string;
  readonly options: BackendOptions;
  readonly #child: ManagedChild;
  readonly #owner: OptionalOwner;
  readonly #folder: string | null;

  constructor(owner: OptionalOwner, child: ManagedChild, port: number, options: BackendOptions, folder: string | null) {
    this.#owner = owner;
    this.#child = child;
    this.#folder = folder;
    this.options = options;
    this.port = port;
    this.url = `${options.tls ? 'wss' : 'ws'}://${options.host ?? '127.0.0.1'}:${port}`;
  }

  get pid(): number {
    return this.#child.pid;
  }

  get exited(): Promise<Exit> {
    return this.#child.exited;
  }

  get running(): boolean {
    return this.#child.exit === undefined;
  }

  /** Default SIGKILL. Resolves when it is dead, also when it was. */
  kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    return this.#child.kill(signal);
  }

  /** SIGTERM, SIGKILL after 3 s. */
  stop(): Promise<void> {
    return this.#child.stop();
  }

  /** SIGSTOP; resolves when it stands still. Its kernel still accepts connections. */
  freeze(): Promise<void> {
    return this.#child.freeze();
  }

  /** SIGCONT. */
  thaw(): void {
    this.#child.thaw();
  }

  /** SIGKILL if it still runs, then a new one with the same options (or changes to them) at the same port; its log is its own. */
  async restart(changes: Partial<BackendOptions> = {}): Promise<BackendProcess> {
    await this.kill();
    return startBackend(this.#owner, { ...this.options, ...changes, port: this.port });
  }

  command<T = void>(command: BackendCommand, timeoutMs?: number): Promise<T> {
    return this.#child.request<T>(command, timeoutMs);
  }

  /** Number of open WebSocket connections. */
  connections(): Promise<number> {
    return this.command<number>({ do: 'connections' });
  }

  describe(): Promise<readonly BackendConnection[]> {
    return this.command<readonly BackendConnection[]>({ do: 'describe' });
  }

  /** Changes options while it runs. */
  set(options: Partial<BackendOptions>): Promise<void> {
    return this.command({ do: 'set', options });
  }

  /** What was written down (option `record`), also of a dead or frozen process. */
  received(): readonly ReceivedConnection[] {
    const found = new Map<number, ReceivedConnection & { messages: unknown[]; pings: unknown[]; pongs: unknown[] }>();
    for (const { kind, connection, ...fields } of this.#readLog()) {
      const one = found.get(connection);
      if (kind === 'open') {
        const opened = { connection, ...fields, messages: [], pings: [], pongs: [] };
        found.set(connection, opened as unknown as ReceivedConnection & typeof opened);
      } else if (kind === 'message') {
        one?.messages.push(fields);
      } else if (kind === 'ping') {
        one?.pings.push(fields['payload']);
      } else if (kind === 'pong') {
        one?.pongs.push(fields['payload']);
      } else if (kind === 'close' && one) {
        Object.assign(one, { closed: fields });
      }
    }
    return [...found.values()];
  }

  /** All texts received over all connections, connection by connection. */
  receivedTexts(): readonly string[] {
    return this.received().flatMap((one) => one.messages.flatMap(({ text }) => (text === undefined ? [] : [text])));
  }

  /** All upgrade requests, also those refused or never answered (option `record`). */
  upgrades(): readonly ReceivedUpgrade[] {
    return this.#readLog()
      .filter(({ kind }) => kind === 'upgrade')
      .map((entry) => entry as unknown as ReceivedUpgrade);
  }

  /** SIGKILL, and removes the log. For those started without an owner. */
  async dispose(): Promise<void> {
    await this.kill();
    if (this.#folder !== null) rmSync(this.#folder, { recursive: true, force: true });
  }

  #readLog(): LogEntry[] {
    if (this.#folder === null) throw new Error('Start the backend with { record: true } to see what it received');
    const lines = readFileSync(join(this.#folder, 'received.jsonl'), 'utf8').split('\n');
    // What follows the last line break is being written just now, or was when the process died.
    return lines.slice(0, -1).map((line) => JSON.parse(line) as LogEntry);
  }
}

/** SIGKILLed when its owner ends, also when frozen; with null the caller calls `dispose()`. */
export async function startBackend(t: OptionalOwner, options: BackendOptions = {}): Promise<BackendProcess> {
  const folder = options.record ? mkdtempSync(join(tmpdir(), 'holdfast-backend-')) : null;
  try {
    const { child, ready } = await ManagedChild.start<{ readonly port: number }>({
      module: new URL('./backend-main.mjs', import.meta.url),
      argument: { ...options, logFile: folder === null ? null : join(folder, 'received.jsonl') },
      what: `backend ${options.tag ?? ''}`.trim(),
      // A busy machine: a soak runs at the lowest priority.
      readyTimeoutMs: 60_000,
    });
    const backend = new BackendProcess(t, child, ready.port, options, folder);
    endWith(t, () => backend.dispose());
    return backend;
  } catch (error) {
    if (folder !== null) rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}
