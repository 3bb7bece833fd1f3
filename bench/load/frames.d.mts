export const maskKey: number;
export function fillerOf(bytes: number): Buffer;
export function unmask(bytes: Buffer, key: number, offset?: number): Buffer;
export function frameOf(opcode: number, payload: Buffer, masked: boolean): Buffer;

/** What a row is written to: a socket, or what looks like one. */
export interface Sink {
  write(bytes: Buffer): unknown;
  readonly writableLength: number;
}

export class FrameRow {
  constructor(payloadBytes: number, masked: boolean);
  readonly most: number;
  number(index: number, sequence: number): void;
  write(socket: Sink, count: number): void;
}
