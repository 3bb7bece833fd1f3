/** A Link without a socket: writes down what goes over it, takes as much as the test allows. */
import type { Link, Side } from '../../src/link/link.ts';

export class FakeLink implements Link {
  readonly side: Side;
  readonly protocol = '';
  open = true;
  writable = true;
  bufferedBytes = 0;
  bytesIn = 0;
  pendingBytes = 0;
  receivedAt = 0;
  progressAt = 0;
  paused = false;
  pingedAt: number | null = null;
  rttMs: number | null = null;
  corked = 0;
  /** Writes to the socket: what waits for more goes with that. */
  writes = 0;
  /** The kernel takes all that is written at once. */
  taken = false;
  /** Bytes it takes before it is no longer writable. */
  room = Number.POSITIVE_INFINITY;
  /** In the order they went. */
  readonly log: (
    | { readonly what: 'frames' | 'ping'; readonly bytes: Buffer }
    | { readonly what: 'close'; readonly code: number }
  )[] = [];

  constructor(side: Side = 'backend') {
    this.side = side;
  }

  /** All frames that were written, in one piece. */
  get frames(): Buffer {
    return Buffer.concat(this.log.flatMap((entry) => (entry.what === 'frames' ? [entry.bytes] : [])));
  }
  get pings(): Buffer[] {
    return this.log.flatMap((entry) => (entry.what === 'ping' ? [entry.bytes] : []));
  }

  write(frames: Buffer, more = false): boolean {
    if (!more) this.writes += 1;
    this.log.push({ what: 'frames', bytes: frames });
    this.room -= frames.length;
    if (this.room <= 0) this.writable = false;
    return this.taken && !more;
  }
  /** Everything was taken; there is room for `bytes` more. */
  drain(bytes = Number.POSITIVE_INFINITY): void {
    this.room = bytes;
    this.writable = true;
  }
  cork(): void {
    this.corked += 1;
  }
  uncork(): void {
    this.corked -= 1;
  }
  send(data: string | Uint8Array): void {
    this.write(Buffer.from(data as string));
  }
  ping(payload: Buffer): boolean {
    this.writes += 1;
    this.log.push({ what: 'ping', bytes: payload });
    return this.taken;
  }
  close(code: number): void {
    if (this.open) this.log.push({ what: 'close', code });
    this.open = false;
    this.writable = false;
  }
  terminate(): void {
    this.close(1006);
  }
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
  }
}
