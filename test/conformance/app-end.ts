/** The end at the other side of the connection: an application over `ws`, which echoes what it gets. */
import type { Socket } from 'node:net';
import type WebSocket from 'ws';
import { type CloseInfo, type Frame, FrameDecoder } from '../support/frame-codec.ts';
import { digestFrames, digestMessage } from './digest.ts';
import { Watch } from './watch.ts';

/** Texts of the suite itself that an application does not echo begin so. */
export const probe = 'probe:';

export class AppEnd {
  readonly ws: WebSocket;
  readonly watch = new Watch();
  readonly messages: string[] = [];
  /** What the survivor of a failover sent. */
  readonly probes: string[] = [];
  readonly pings: string[] = [];
  readonly pongs: string[] = [];
  close: CloseInfo | null = null;
  /** Digest of the frames of each whole message, as they came. */
  readonly frames: string[] = [];
  /** How many reads brought them. */
  reads = 0;

  /** Made before any of the connection's data was read. */
  constructor(ws: WebSocket, socket?: Socket) {
    this.ws = ws;
    ws.on('message', (data: Buffer, isBinary: boolean) => {
      if (!isBinary && data.length < 64 && data.toString().startsWith(probe)) {
        this.probes.push(data.toString());
      } else {
        this.messages.push(digestMessage(data, !isBinary));
        if (ws.readyState === ws.OPEN) ws.send(data, { binary: isBinary });
      }
      this.watch.changed();
    });
    ws.on('ping', (data: Buffer) => this.pings.push(data.toString('hex')));
    ws.on('pong', (data: Buffer) => this.pongs.push(data.toString('hex')));
    ws.on('error', () => {});
    ws.on('close', (code: number, reason: Buffer) => {
      this.close = { code, reason: reason.toString() };
      this.watch.changed();
    });
    if (socket !== undefined) this.tap(socket);
  }

  /** Looks at the frames on the wire, beside `ws`. */
  tap(socket: Socket): void {
    const decoder = new FrameDecoder();
    let parts: Frame[] = [];
    // First of all: `ws` unmasks in place.
    socket.prependListener('data', (chunk: Buffer) => {
      this.reads += 1;
      for (const frame of decoder.push(chunk)) {
        if (frame.opcode >= 8) continue;
        parts.push(frame);
        if (!frame.fin) continue;
        this.frames.push(digestFrames(parts));
        parts = [];
      }
    });
  }
}
