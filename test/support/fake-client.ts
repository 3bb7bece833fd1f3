import { Assembler, type Marked, messageFrames, payloadOf, readPayload } from './fake-messages.ts';
import { FakeSocket, type Peer } from './fake-socket.ts';
import { closePayload, encodeFrame, type Frame, opcodes, parseClose } from './frame-codec.ts';

/** The client of one pipe. */
export class FakeClient implements Peer {
  readonly socket: FakeSocket;
  /** What came, in order. */
  readonly received: Marked[] = [];
  /** Messages of which the last byte has left. */
  whole = 0;
  /** Messages made. */
  made = 0;
  closeSent = false;
  closeCame: number | null = null;
  state: 'up' | 'closing' | 'gone' = 'up';
  problem: unknown = null;
  /** Answers nothing any more. */
  silent = false;
  #outbox: Buffer = Buffer.alloc(0);
  /** Bytes that have left, and after how many each message is whole. */
  #left = 0;
  #made = 0;
  readonly #ends: number[] = [];
  readonly #assembler: Assembler;

  constructor() {
    this.#assembler = new Assembler(
      false,
      (payload) => this.received.push(readPayload(payload)),
      (frame) => this.#control(frame),
    );
    this.socket = new FakeSocket(this);
  }

  get waiting(): number {
    return this.#outbox.length;
  }

  /** Makes a message, and pings between its fragments; its bytes leave with `release`. */
  make(bytes: number, how: { text: boolean; parts: number; pings: boolean }): void {
    if (this.closeSent) return;
    this.made += 1;
    const frames = messageFrames(payloadOf(0, this.made, bytes), { masked: true, text: how.text, parts: how.parts });
    const ping = encodeFrame({ opcode: 'ping', payload: 'p', mask: true });
    const all = Buffer.concat(how.pings ? frames.flatMap((frame) => [ping, frame]) : frames);
    this.#outbox = Buffer.concat([this.#outbox, all]);
    this.#made += all.length;
    this.#ends.push(this.#made);
  }

  /** Lets `bytes` of what was made leave, in reads of at most `chunk` bytes. */
  release(bytes = this.#outbox.length, chunk = 65_536): void {
    if (this.state !== 'up') return;
    const out = this.#outbox.subarray(0, bytes);
    this.#outbox = this.#outbox.subarray(out.length);
    this.#left += out.length;
    for (let at = 0; at < out.length; at += chunk) this.socket.deliver(out.subarray(at, at + chunk));
    while ((this.#ends[this.whole] ?? Number.POSITIVE_INFINITY) <= this.#left) this.whole += 1;
  }

  close(code: number): void {
    if (this.state !== 'up') return;
    this.release();
    this.closeSent = true;
    this.state = 'closing';
    this.socket.deliver(encodeFrame({ opcode: 'close', payload: closePayload(code), mask: true }));
  }

  lose(how: 'reset' | 'fin'): void {
    if (this.state === 'gone') return;
    this.state = 'gone';
    if (how === 'reset') this.socket.reset();
    else this.socket.deliverFin();
  }

  bytes(chunk: Buffer): void {
    if (this.state === 'gone') return;
    try {
      this.#assembler.push(chunk);
    } catch (error) {
      this.problem ??= error;
    }
  }

  fin(): void {
    if (!this.silent) this.socket.deliverFin();
  }

  gone(): void {
    this.state = 'gone';
  }

  #control(frame: Frame): void {
    if (this.silent || this.state === 'gone') return;
    if (frame.opcode === opcodes.ping && this.state === 'up' && this.#betweenFrames) {
      this.socket.deliver(encodeFrame({ opcode: 'pong', payload: frame.payload, mask: true }));
    } else if (frame.opcode === opcodes.close) {
      this.closeCame = parseClose(frame.payload).code;
      if (this.state !== 'up') return;
      this.state = 'closing';
      if (this.#betweenFrames)
        this.socket.deliver(encodeFrame({ opcode: 'close', payload: frame.payload, mask: true }));
    }
  }

  /** Half a frame has left: nothing can go in between. */
  get #betweenFrames(): boolean {
    return this.#outbox.length === 0;
  }
}
