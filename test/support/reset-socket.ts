import type { Socket } from 'node:net';

/**
 * RST now; what was not sent yet is lost. Node's own resetAndDestroy first ends the stream: it waits for pending output, and where a destroy()
 * meets its FIN on the way, libuv refuses the reset (EINVAL) and the handle is never closed: the process lives for ever.
 */
export function resetSocket(socket: Socket): void {
  const connected = !socket.connecting && !socket.destroyed;
  const finishing = socket.writableEnded && !socket.writableFinished;
  // What resetAndDestroy sets for its destroy(), which then resets in place of closing.
  if (connected && !finishing) Object.assign(socket, { resetAndClosing: true });
  socket.destroy();
}
