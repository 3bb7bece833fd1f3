/** npm run demo -- --client [url]: each line you type is one message. */
import { createInterface } from 'node:readline';
import WebSocket from 'ws';

/** @returns the exit code, when the connection or the input has ended. */
export function runClient(url: string): Promise<number> {
  return new Promise((resolve) => {
    let opened = false;
    const ws = new WebSocket(url, { handshakeTimeout: 5000 });
    const input = createInterface({ input: process.stdin });
    ws.on('open', () => {
      opened = true;
      console.log(`connected to ${url}; type a line and press Enter, Ctrl-C ends`);
    });
    ws.on('message', (data) => console.log(`< ${String(data)}`));
    ws.on('error', (error) => {
      if (!opened) console.error(`cannot connect to ${url}: ${error.message || 'no answer'}`);
    });
    ws.on('close', (code, reason) => {
      if (opened) console.log(`closed with ${code} ${String(reason)}`.trimEnd());
      input.close();
      resolve(opened ? 0 : 1);
    });
    const leave = (): void => {
      ws.close(1000);
      // Answers that are on their way are still shown.
      setTimeout(() => ws.terminate(), 2000).unref();
    };
    input.on('line', (line) => {
      if (ws.readyState === WebSocket.OPEN) ws.send(line);
      else if (ws.readyState === WebSocket.CONNECTING) ws.once('open', () => ws.send(line));
    });
    input.on('close', () => {
      if (ws.readyState === WebSocket.CONNECTING) ws.once('open', () => setTimeout(leave, 300));
      else if (ws.readyState === WebSocket.OPEN) setTimeout(leave, 300);
    });
    process.once('SIGINT', leave).once('SIGTERM', leave);
  });
}
