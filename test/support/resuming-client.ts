/**
 * A client of holdfast.v1 that keeps, resends, acknowledges and comes back by itself, written from docs/PROTOCOL.md over `ws`: the
 * yardstick for tests of the gateway that cut connections. It is not the client library.
 */
import { WebSocket } from 'ws';
import { endWith, type OptionalOwner } from './owner.ts';
import { until } from './wait.ts';

const mark = '\u001e';

export interface ResumingOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** Where the client comes from. */
  readonly localAddress?: string;
  /** Default 25 and 40: between two attempts. */
  readonly reconnectMs?: readonly [number, number];
  /** Own heartbeat; default 100 and 500. */
  readonly pingMs?: number;
  readonly timeoutMs?: number;
}

/** What is known of a session that could not be resumed. */
export interface LostSession {
  /** As the gateway says. */
  readonly reason: string;
  readonly pipe: string;
  /** Messages that came down, and how many of them the gateway knows to have come. */
  readonly received: number;
  readonly acknowledged: number;
  /** Messages of the client that are sent again, and how many of them had been sent. */
  readonly resent: number;
}

export class ResumingClient {
  /** All application texts that came, in order, over all sessions. */
  readonly texts: string[] = [];
  readonly lost: LostSession[] = [];
  readonly controls: string[] = [];
  /** Codes with which connections ended. */
  readonly codes: number[] = [];
  resumes = 0;
  connections = 0;
  /** Connections it gave up because nothing came. */
  silences = 0;
  pipe = '';
  ended = false;
  readonly #url: string;
  readonly #options: ResumingOptions;
  /** Not acknowledged, in order; the first has the number #first. */
  #kept: string[] = [];
  #first = 1;
  /** Of this session: came down, told to the gateway. */
  #received = 0;
  #acknowledged = 0;
  #token = '';
  #socket: WebSocket | null = null;
  #open = false;
  #heardAt = 0;
  #timers: NodeJS.Timeout[] = [];

  constructor(t: OptionalOwner, url: string, options: ResumingOptions = {}) {
    this.#url = url;
    this.#options = options;
    endWith(t, () => this.#end());
    this.#connect();
  }

  get unacknowledged(): number {
    return this.#kept.length;
  }

  get isOpen(): boolean {
    return this.#open;
  }

  send(text: string): void {
    this.#kept.push(text);
    if (this.#open) this.#post(text);
  }

  async opened(timeoutMs = 30_000): Promise<void> {
    await until(() => this.#open, { timeoutMs, what: 'a session' });
  }

  /** Until all that was sent is acknowledged. */
  async delivered(timeoutMs = 60_000): Promise<void> {
    const what = () =>
      `all messages to be acknowledged; ${this.#kept.length} are not, connections ended with ${this.codes}`;
    await until(() => this.#kept.length === 0, { timeoutMs, what });
  }

  /** Breaks the connection from this side, without a Close. */
  cut(): void {
    this.#socket?.terminate();
  }

  close(code = 1000): void {
    this.ended = true;
    this.#socket?.close(code);
  }

  #end(): void {
    this.ended = true;
    this.#drop();
    this.#socket?.terminate();
  }

  #drop(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#timers = [];
    this.#open = false;
  }

  #connect(): void {
    if (this.ended) return;
    const { headers, localAddress, pingMs = 100, timeoutMs = 500 } = this.#options;
    const socket = new WebSocket(this.#url, ['holdfast.v1'], {
      perMessageDeflate: false,
      ...(headers && { headers }),
      ...(localAddress && { localAddress }),
    });
    this.#socket = socket;
    this.connections += 1;
    this.#heardAt = performance.now();
    const present = () => this.#socket === socket;
    socket.on('error', () => {});
    socket.on('message', (data, binary) => {
      if (!present()) return;
      this.#heardAt = performance.now();
      this.#message(String(data), binary);
    });
    const over = (code: number): void => {
      if (!present()) return;
      this.#drop();
      this.#socket = null;
      this.codes.push(code);
      const [least, most] = this.#options.reconnectMs ?? [25, 40];
      setTimeout(() => this.#connect(), least + Math.random() * (most - least)).unref();
    };
    socket.on('close', over);
    this.#timers.push(
      setInterval(() => {
        if (performance.now() - this.#heardAt > timeoutMs) {
          this.silences += 1;
          // The gateway need not know: it takes the session over from the connection that still seems alive.
          over(1006);
          socket.terminate();
        } else if (this.#open) {
          this.#control({ type: 'ping', id: this.connections });
        }
      }, pingMs),
    );
  }

  #control(message: object): void {
    this.#socket?.send(mark + JSON.stringify(message));
  }

  #post(text: string): void {
    this.#socket?.send(text.startsWith(mark) ? mark + text : text);
  }

  #message(text: string, binary: boolean): void {
    if (binary || !text.startsWith(mark) || text.startsWith(mark + mark)) {
      this.#received += 1;
      this.texts.push(!binary && text.startsWith(mark) ? text.slice(1) : text);
      if (this.#received - this.#acknowledged === 1) this.#timers.push(setTimeout(() => this.#acknowledge(), 100));
      return;
    }
    const message = JSON.parse(text.slice(1)) as Record<string, unknown>;
    this.controls.push(String(message['type']));
    if (message['type'] === 'hello') {
      const { pipe } = this;
      this.#control({
        type: 'start',
        resume: this.#token === '' ? null : { pipe, token: this.#token, received: this.#received },
      });
    } else if (message['type'] === 'welcome') {
      this.#welcome(message);
    } else if (message['type'] === 'ack') {
      const count = Number(message['received']) + 1 - this.#first;
      if (count > 0) {
        this.#kept.splice(0, count);
        this.#first += count;
      }
    }
  }

  #acknowledge(): void {
    if (!this.#open || this.#acknowledged === this.#received) return;
    this.#acknowledged = this.#received;
    this.#control({ type: 'ack', received: this.#received });
  }

  #welcome(welcome: Record<string, unknown>): void {
    const received = Number(welcome['received']);
    if (welcome['resumed'] === true) {
      this.resumes += 1;
      this.#acknowledged = this.#received;
    } else {
      if (this.#token !== '') {
        const { pipe } = this;
        this.lost.push({
          reason: String(welcome['reason'] ?? ''),
          pipe,
          received: this.#received,
          acknowledged: this.#acknowledged,
          resent: this.#kept.length,
        });
      }
      this.#first = 1;
      this.#received = 0;
      this.#acknowledged = 0;
    }
    this.pipe = String(welcome['pipe']);
    this.#token = String(welcome['token']);
    this.#open = true;
    // What is kept below `received` waits for its ack only.
    for (const text of this.#kept.slice(Math.max(0, received + 1 - this.#first))) this.#post(text);
  }
}
