import type { SocketEventMap, SocketEventTarget } from './types.ts';

export type ReadyState = 0 | 1 | 2 | 3;
export const [connecting, open, closing, closed] = [0, 1, 2, 3] as const;

type Handler<K extends keyof SocketEventMap> = ((event: SocketEventMap[K]) => unknown) | null;

/** EventTarget, with the events of ours. */
const TypedEventTarget = EventTarget as unknown as new () => SocketEventTarget;

/** What of the WebSocket interface needs no connection: constants and `on...` handlers. */
export class SocketFace extends TypedEventTarget {
  static readonly CONNECTING = connecting;
  static readonly OPEN = open;
  static readonly CLOSING = closing;
  static readonly CLOSED = closed;
  readonly CONNECTING = connecting;
  readonly OPEN = open;
  readonly CLOSING = closing;
  readonly CLOSED = closed;
  readonly extensions = '';
  onopen: Handler<'open'> = null;
  onmessage: Handler<'message'> = null;
  onclose: Handler<'close'> = null;
  onerror: Handler<'error'> = null;

  constructor() {
    super();
    for (const type of ['open', 'message', 'close', 'error'] as const) {
      this.addEventListener(type, (event) => (this[`on${type}`] as ((event: Event) => unknown) | null)?.(event));
    }
  }
}
