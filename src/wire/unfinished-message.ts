/** The bytes of a message whose end has not come, in blocks: copied there, or read there by the socket. */
import { type Block, holdBlock, letGoBlock, takeBlock } from './byte-blocks.ts';

/** Most bytes that are copied to one block. */
const pieceBytes = 65_536;
/** So much of a frame must be missing that it is worth a read of its own to have it where it will be kept. */
const leastRoomBytes = 16_384;
/** The largest block of which there are spare ones. */
const maxRoomBytes = 262_144;
/** Of all who have no message open. */
const none = Object.freeze([] as Block[]) as Block[];

export class UnfinishedMessage {
  #pieces: Block[] = none;
  #bytes = 0;
  /** The last piece, while the socket may read into it. */
  #readInto: Block | null = null;

  get bytes(): number {
    return this.#bytes;
  }

  get empty(): boolean {
    return this.#pieces.length === 0;
  }

  /** Adds a copy. */
  add(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) {
      let block = this.#pieces[this.#pieces.length - 1];
      if (block === undefined || block.used === block.bytes.length) {
        // As much again as there is, so that a peer has to send what it makes us hold.
        block = this.#addPiece(Math.min(bytes.length - at, pieceBytes), this.#bytes);
      }
      const copied = bytes.copy(block.bytes, block.used, at);
      block.used += copied;
      this.#bytes += copied;
      at += copied;
    }
  }

  /**
   * Where the next bytes are to be kept: who reads them into it and adds them by `addRead` saves a copy. It stays good until it is asked for again.
   * @param missing bytes of the open frame that are still to come. @returns null = anywhere: little of it is missing.
   */
  room(missing: number): Buffer | null {
    if (this.#readInto !== null) letGoBlock(this.#readInto);
    this.#readInto = null;
    if (missing < leastRoomBytes) return null;
    let block = this.#pieces[this.#pieces.length - 1]!;
    if (block.bytes.length - block.used < leastRoomBytes) {
      // As much again as there is, as in add().
      block = this.#addPiece(Math.min(missing, Math.max(this.#bytes, leastRoomBytes), maxRoomBytes), 0);
    }
    holdBlock(block);
    this.#readInto = block;
    return block.bytes.subarray(block.used, Math.min(block.used + missing, block.bytes.length));
  }

  /** @returns whether the chunk was read to where there was room for it; it is added then, without a copy. */
  addRead(chunk: Buffer): boolean {
    const block = this.#readInto;
    if (block === null || chunk.buffer !== block.bytes.buffer) return false;
    if (chunk.byteOffset !== block.bytes.byteOffset + block.used) return false;
    block.used += chunk.length;
    this.#bytes += chunk.length;
    return true;
  }

  /** The message is whole: who takes its pieces holds them. */
  take(): Block[] {
    const pieces = this.#pieces;
    this.forget();
    return pieces;
  }

  /** Not let go: the socket may be reading into one, and who called may be looking at one. */
  forget(): void {
    this.#pieces = none;
    this.#bytes = 0;
  }

  #addPiece(bytes: number, expected: number): Block {
    const block = takeBlock(bytes, expected);
    if (this.#pieces === none) this.#pieces = [];
    this.#pieces.push(block);
    return block;
  }
}

/** What of a block is the message's. */
export function contents(block: Block): Buffer {
  return block.bytes.subarray(0, block.used);
}
