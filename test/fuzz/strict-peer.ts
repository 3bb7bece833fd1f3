/** Judges the frames that a gateway passes on: whatever comes in at one end, what goes out at the other follows RFC 6455. */
import { type Frame, opcodes } from '../support/frame-codec.ts';

const known: ReadonlySet<number> = new Set(Object.values(opcodes));

export class StrictPeer {
  readonly problems: string[] = [];
  readonly #masked: boolean;
  #fragmented = false;
  #closed = false;

  /** @param masked true = the frames come from a client. */
  constructor(masked: boolean) {
    this.#masked = masked;
  }

  judge({ opcode, rsv, fin, masked, payload }: Frame): void {
    const say = (problem: string): void => void this.problems.push(problem);
    if (this.#closed) say(`a frame with the opcode ${opcode} behind a Close`);
    if (!known.has(opcode)) say(`the opcode ${opcode}`);
    if (rsv !== 0) say(`reserved bits ${rsv}`);
    if (masked !== this.#masked) say(masked ? 'a masked frame' : 'an unmasked frame');
    if (opcode >= 8) {
      if (!fin) say('a fragmented control frame');
      if (payload.length > 125) say(`a control frame of ${payload.length} bytes`);
      if (opcode === opcodes.close) this.#closed = true;
      return;
    }
    if ((opcode === opcodes.continuation) !== this.#fragmented)
      say(`the opcode ${opcode}, fragmented: ${this.#fragmented}`);
    this.#fragmented = !fin;
  }
}
