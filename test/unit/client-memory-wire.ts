/** WebSockets in memory: what is sent waits until the test lets it pass, and a cut loses what has not passed. */
import type { WebSocketConstructor, WebSocketLike } from '../../src/client/index.ts';
import type { GatewayConnection, ModelGateway, Payload } from '../support/fake-gateway.ts';

export type Chosen = (offered: readonly string[]) => string;

type Crossing = Payload | { readonly close: number | undefined; readonly reason: string };

const isControl = (data: unknown): data is string =>
  typeof data === 'string' && data[0] === '\u001e' && data[1] !== '\u001e';

/** Messages on the way in one direction. */
class Way {
  readonly #waiting: Crossing[] = [];
  readonly #arrive: (crossing: Crossing) => void;

  constructor(arrive: (crossing: Crossing) => void) {
    this.#arrive = arrive;
  }

  get length(): number {
    return this.#waiting.length;
  }

  push(crossing: Crossing): void {
    this.#waiting.push(crossing);
  }

  pass(): void {
    const crossing = this.#waiting.shift();
    if (crossing !== undefined) this.#arrive(crossing);
  }

  lose(): void {
    this.#waiting.length = 0;
  }
}

export interface ClosedWith {
  readonly code: number | undefined;
  readonly reason: string | undefined;
}

export class MemorySocket implements WebSocketLike {
  binaryType = 'blob';
  protocol = '';
  bufferedAmount = 0;
  readyState = 0;
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: never) => void) | null = null;
  onclose: ((event: never) => void) | null = null;
  onerror: ((event: never) => void) | null = null;
  readonly url: string;
  readonly offered: readonly string[];
  /** All that was sent. */
  readonly sent: unknown[] = [];
  closedWith: ClosedWith | null = null;
  readonly up: Way;
  readonly down: Way;
  #peer: GatewayConnection | null = null;

  constructor(url: string, offered: readonly string[]) {
    this.url = url;
    this.offered = offered;
    this.up = new Way((crossing) => {
      if (typeof crossing === 'string' || crossing instanceof Uint8Array) this.#peer?.message(crossing);
      else if ('close' in crossing) this.#closing(crossing.close);
    });
    this.down = new Way((crossing) => {
      if (typeof crossing === 'string' || crossing instanceof Uint8Array) this.receive(crossing);
      else if ('close' in crossing) this.end(crossing.close ?? 1005, crossing.reason, true);
    });
  }

  /** The upgrade succeeds. */
  open(protocol: string, gateway?: ModelGateway): void {
    this.protocol = protocol;
    this.readyState = 1;
    (this.onopen as ((event: object) => void) | null)?.({});
    if (!gateway) return;
    const wire = {
      send: (data: Payload) => this.down.push(data),
      close: (close: number, reason: string) => this.down.push({ close, reason }),
      terminate: () => this.cut(),
    };
    this.#peer = gateway.accept(wire, '');
  }

  receive(data: unknown): void {
    if (this.readyState === 1) (this.onmessage as ((event: object) => void) | null)?.({ data, origin: 'ws://memory' });
  }

  control(message: object): void {
    this.receive(`\u001e${JSON.stringify(message)}`);
  }

  /** The connection is lost, with all that is on the way; both ends know. */
  cut(): void {
    this.up.lose();
    this.down.lose();
    this.#peer?.closed(false);
    this.#peer = null;
    this.end(1006, '', false);
  }

  end(code: number, reason = '', wasClean = true): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    (this.onclose as ((event: object) => void) | null)?.({ code, reason, wasClean });
  }

  send(data: unknown): void {
    this.sent.push(data);
    this.up.push(data instanceof ArrayBuffer ? new Uint8Array(data) : (data as string));
  }

  close(code?: number, reason?: string): void {
    this.closedWith = { code, reason };
    if (this.readyState > 1) return;
    this.readyState = 2;
    this.up.push({ close: code, reason: reason ?? '' });
  }

  /** The control messages sent. */
  get controls(): Record<string, unknown>[] {
    return this.sent.filter(isControl).map((text) => JSON.parse(text.slice(1)) as Record<string, unknown>);
  }

  /** Everything else that was sent. */
  get messages(): unknown[] {
    return this.sent.filter((data) => !isControl(data));
  }

  #closing(code: number | undefined): void {
    this.#peer?.closed(true);
    this.#peer = null;
    this.readyState = 1;
    this.down.push({ close: code, reason: '' });
  }
}

export interface MemoryNetwork {
  readonly WebSocket: WebSocketConstructor;
  readonly sockets: MemorySocket[];
  /** The newest. */
  readonly last: MemorySocket;
}

export function memoryNetwork(created: (socket: MemorySocket) => void = () => {}): MemoryNetwork {
  const sockets: MemorySocket[] = [];
  return {
    WebSocket: class extends MemorySocket {
      constructor(url: string, offered: string[]) {
        super(url, offered);
        sockets.push(this);
        created(this);
      }
    },
    sockets,
    get last() {
      const socket = sockets.at(-1);
      if (!socket) throw new Error('No WebSocket was made');
      return socket;
    },
  };
}
