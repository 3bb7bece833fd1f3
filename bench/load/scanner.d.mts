export interface Receiver {
  onData(sequence: number, length: number): void;
  onControl(opcode: number, payload: Buffer): void;
  onPiece(bytes: Buffer, from: number, to: number, offset: number, key: number): void;
}

export class Scanner {
  constructor(receiver: Receiver, sampleEvery: number);
  scan(chunk: Buffer, to: number, at?: number): void;
}
