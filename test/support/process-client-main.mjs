// The process behind process-client.ts.
import WebSocket from 'ws';
import { numberedText, sizeOf } from './numbered.mjs';

/** @typedef {import('./process-client.ts').ProcessClientCommand} Command */

/** @type {import('./process-client.ts').ProcessClientOptions & { url: string }} */
const { url, protocols = [], headers = {}, ca, noPong = false } = JSON.parse(process.argv[2] ?? '{}');
const ws = new WebSocket(url, protocols, { headers, ca, autoPong: !noPong, perMessageDeflate: false });

/** @type {{ type: string, data: Buffer }[]} */
const messages = [];
/** @type {NodeJS.Timeout | undefined} */
let timer;
let sent = 0;

/** @param {Command} command */
function run(command) {
  switch (command.do) {
    case 'send':
      ws.send(command.data);
      return;
    case 'messages':
      return messages.slice(command.from ?? 0);
    case 'sendNumbered': {
      const { count = Number.POSITIVE_INFINITY, intervalMs, bytes, prefix = 'msg' } = command;
      clearInterval(timer);
      sent = 0;
      timer = setInterval(() => {
        if (ws.readyState !== WebSocket.OPEN || sent >= count) {
          clearInterval(timer);
        } else {
          sent += 1;
          ws.send(numberedText(sent, sizeOf(bytes, sent), prefix));
        }
      }, intervalMs);
      return;
    }
    case 'stopNumbered':
      clearInterval(timer);
      return sent;
    case 'close':
      ws.close(command.code, command.reason);
      return;
    case 'pause':
      ws.pause();
      return;
    case 'resume':
      ws.resume();
      return;
  }
}

process.on('message', (/** @type {{ id: number, command: Command }} */ { id, command }) => {
  try {
    process.send?.({ id, result: run(command) });
  } catch (error) {
    process.send?.({ id, error: error instanceof Error ? error.message : String(error) });
  }
});
process.on('disconnect', () => process.exit(0));

let lastError = '';
let opened = false;
ws.on('open', () => {
  opened = true;
  process.send?.({ event: 'ready', data: { protocol: ws.protocol } });
});
ws.on('message', (data, isBinary) => messages.push({ type: isBinary ? 'binary' : 'text', data }));
ws.on('error', (error) => {
  lastError = error.message;
  console.error(error.message);
});
ws.on('close', (code, reason) => {
  clearInterval(timer);
  if (!opened) process.exit(1);
  process.send?.({ event: 'closed', data: { code, reason: reason.toString(), error: lastError } });
  // Not yet exited: the test may still ask for the messages.
});
