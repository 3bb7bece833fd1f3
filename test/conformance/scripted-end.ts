/** The end that plays the script: what it sees of the other one, and every rule of the RFC which that one breaks. */
import { type CloseInfo, type Frame, FrameDecoder, opcodes, parseClose } from '../support/frame-codec.ts';
import type { RawLink } from '../support/raw-link.ts';
import { digestFrames, digestMessage } from './digest.ts';
import { Watch } from './watch.ts';

/** A subprotocol in which some texts are not the application's (holdfast.v1). */
export interface Dialect {
  /** @returns the message of the application, or null. */
  read(text: Buffer): Buffer | null;
  /** What says that so many messages have come. */
  acknowledge(received: number): string;
}

export class ScriptedEnd {
  readonly link: RawLink;
  readonly watch = new Watch();
  readonly messages: string[] = [];
  readonly pongs: string[] = [];
  pings = 0;
  readonly closes: CloseInfo[] = [];
  /** What RFC 6455 forbids and the other end did. */
  readonly faults: string[] = [];
  /** The other end's FIN came before ours went out. */
  peerEndedFirst = false;
  ended = false;
  closed = false;
  /** Digest of the frames of each whole data message that was sent. */
  readonly sent: string[] = [];
  sentMessages = 0;
  sentPings = 0;
  /** Between two messages of the script: something of the suite's own may be sent. */
  atBorder = true;
  readonly #masked: boolean;
  readonly #dialect: Dialect | null;
  #received = 0;
  #answering = false;
  #unanswered: Buffer[] = [];
  #parts: Frame[] = [];
  readonly #own = new FrameDecoder();
  #ownParts: Frame[] = [];

  /**
   * @param masked whether what comes must be masked.
   * @param dialect what its texts mean, where not all are messages of the application.
   */
  constructor(link: RawLink, masked: boolean, dialect: Dialect | null = null) {
    this.link = link;
    this.#masked = masked;
    this.#dialect = dialect;
    void this.#read();
    void link.peerEnded.then(() => {
      this.peerEndedFirst = !this.ended;
      this.end('fin');
      this.watch.changed();
    });
    void link.closed.then(() => {
      this.closed = true;
      if (link.unfinishedBytes > 0) this.faults.push(`${link.unfinishedBytes} bytes of a frame at the end (7.1.1)`);
      if (this.#parts.length > 0) this.faults.push('a message without its end (5.4)');
      this.watch.changed();
    });
  }

  write(bytes: Buffer): void {
    void this.link.sendBytes(bytes);
  }

  /** The script has written all of a step, or only a part of a frame. */
  written(whole: boolean): void {
    this.atBorder = whole && this.#ownParts.length === 0;
    this.#acknowledge();
  }

  /** Counts what a write of whole frames asks for; a script that breaks the framing is counted no further. */
  count(bytes: Buffer): void {
    for (const frame of this.#own.push(bytes)) {
      if (frame.opcode === opcodes.ping) this.sentPings += 1;
      if (frame.opcode >= 8) continue;
      this.#ownParts.push(frame);
      if (!frame.fin) continue;
      this.sent.push(digestFrames(this.#ownParts));
      this.#ownParts = [];
      this.sentMessages += 1;
    }
  }

  /** From now on, but never inside a frame of the script, pings are answered. */
  answerPings(): void {
    this.#answering = true;
    for (const payload of this.#unanswered) void this.link.pong(payload);
    this.#unanswered = [];
  }

  end(how: 'fin' | 'reset'): void {
    if (this.ended) return;
    this.ended = true;
    if (how === 'fin') this.link.fin();
    else this.link.reset();
  }

  async #read(): Promise<void> {
    for (;;) {
      const frame = await this.link.frames.next({ timeoutMs: 600_000 }).catch(() => null);
      if (frame === null) return;
      this.#frame(frame);
      this.watch.changed();
    }
  }

  #frame(frame: Frame): void {
    const { opcode, payload, fin } = frame;
    this.#judge(frame);
    if (opcode === opcodes.ping) {
      this.pings += 1;
      if (this.#answering) void this.link.pong(payload);
      else this.#unanswered.push(payload);
    } else if (opcode === opcodes.pong) {
      this.pongs.push(payload.toString('hex'));
    } else if (opcode === opcodes.close) {
      this.closes.push(parseClose(payload));
    } else {
      this.#parts.push(frame);
      if (!fin) return;
      const whole = Buffer.concat(this.#parts.map((part) => part.payload));
      const isText = this.#parts[0]!.opcode === opcodes.text;
      this.#parts = [];
      const message = isText && this.#dialect !== null ? this.#dialect.read(whole) : whole;
      if (message === null) return;
      this.messages.push(digestMessage(message, isText));
      this.#received += 1;
      this.#acknowledge();
    }
  }

  #acknowledge(): void {
    if (this.#dialect === null || !this.atBorder || this.ended || this.closes.length > 0) return;
    if (this.#received > 0) void this.link.sendText(this.#dialect.acknowledge(this.#received));
  }

  #judge({ opcode, payload, fin, rsv, masked, header }: Frame): void {
    const fault = (what: string): void => void this.faults.push(what);
    if (masked !== this.#masked) fault(masked ? 'a masked frame (5.1)' : 'an unmasked frame (5.1)');
    if (rsv !== 0) fault('reserved bits are set (5.2)');
    if ((opcode > 2 && opcode < 8) || opcode > 10) fault(`the reserved opcode ${opcode} (5.2)`);
    const lengthBytes = header.length - 2 - (masked ? 4 : 0);
    const shortest = payload.length < 126 ? 0 : payload.length < 65_536 ? 2 : 8;
    if (lengthBytes !== shortest) fault('a length that is not in its shortest form (5.2)');
    if (this.closes.length > 0) fault('a frame after its Close (5.5.1)');
    if (opcode >= 8) {
      if (!fin) fault('a fragmented control frame (5.5)');
      if (payload.length > 125) fault('a control frame over 125 bytes (5.5)');
      if (opcode === opcodes.close && payload.length === 1) fault('a Close of one byte (5.5.1)');
    } else if ((opcode === opcodes.continuation) !== this.#parts.length > 0) {
      fault('fragments out of order (5.4)');
    }
  }
}
