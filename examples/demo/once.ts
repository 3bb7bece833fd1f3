/** npm run demo -- --once: a client that sends every 50 ms while its backend is killed and comes back; judged at the end. */
import WebSocket from 'ws';
import { startStage, tell } from './stage.ts';

const intervalMs = 50;
const runMs = 6000;
const killAtMs = 2000;
const restartAtMs = 4000;
/** What may be on its way when the sending ends. */
const settleMs = 5000;

/** @returns the exit code. */
export async function runOnce(print: (line: string) => void): Promise<number> {
  const unexpected: string[] = [];
  let ending = false;
  let telling = false;
  let startedAt = performance.now();
  const note = (text: string): void =>
    print(`${String(Math.round(performance.now() - startedAt)).padStart(6)} ms  ${text}`);
  const stage = await startStage({
    onLog: (line) => {
      const text = tell(line);
      if (text !== null && telling) note(text);
    },
    onBackendExit: (name, how) => {
      if (how !== 'SIGKILL' && !ending) unexpected.push(`backend ${name} ended: ${how}`);
    },
    onGatewayExit: (how, errors) => {
      if (!ending) unexpected.push(`the gateway ended: ${how}. ${errors}`);
    },
  });
  for (const line of stage.moved) print(line);
  try {
    print('Timeline: a client sends every 50 ms; its backend is killed at 2 s and started again at 4 s.');
    startedAt = performance.now();
    telling = true;
    const client = new NumberedClient(`ws://127.0.0.1:${stage.gatewayPort}/ws`);
    await client.opened;
    const timer = setInterval(() => client.send(), intervalMs);
    try {
      await until(startedAt + killAtMs);
      const first = await attachedBackend(stage.admin);
      const victim = stage.backends.get(first);
      if (victim === undefined) throw new Error(`the client is attached to ${first || 'no backend'}`);
      note(`kill -9 ${victim.pid}: backend ${first} dies`);
      victim.kill('SIGKILL');
      await victim.exited;
      await until(startedAt + restartAtMs);
      const { pid } = await stage.startBackend(first);
      note(`backend ${first} runs again (pid ${pid})`);
      await until(startedAt + runMs);
      const second = await attachedBackend(stage.admin);
      if (second === first || second === '') unexpected.push(`the client ended on backend ${second || '(none)'}`);
    } finally {
      clearInterval(timer);
    }
    const settledBy = performance.now() + settleMs;
    while (client.missing > 0 && performance.now() < settledBy) await until(performance.now() + 10);
    note(`the client stops sending; answers came from ${[...client.names].join(', then ')}`);
    if (client.twice > 0) note(`${client.twice} answers came twice, as at-least-once allows`);
    if (client.outOfOrder > 0) unexpected.push(`${client.outOfOrder} answers came out of order`);
    if (client.sent < (runMs / intervalMs) * 0.5) unexpected.push(`only ${client.sent} messages were sent`);
    const { sent, answered, closes } = client;
    await client.close();
    ending = true;
    await stage.stop();
    for (const text of unexpected) print(`UNEXPECTED: ${text}`);
    print(`sent ${sent}, answered ${answered}, lost ${sent - answered}, client closed ${closes} times`);
    return sent === answered && closes === 0 && unexpected.length === 0 ? 0 : 1;
  } finally {
    ending = true;
    await stage.stop();
  }
}

async function attachedBackend(admin: (method: string, path: string) => Promise<unknown>): Promise<string> {
  const { pipes } = (await admin('GET', '/pipes')) as { pipes: { backendId: string | null }[] };
  return pipes[0]?.backendId ?? '';
}

function until(at: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, at - performance.now())));
}

/** Sends 1, 2, 3 ... and keeps account of the answers, "<backend>: <number>". */
class NumberedClient {
  readonly opened: Promise<void>;
  readonly names = new Set<string>();
  sent = 0;
  twice = 0;
  outOfOrder = 0;
  closes = 0;
  readonly #ws: WebSocket;
  readonly #answers = new Set<number>();
  #last = 0;
  #leaving = false;

  constructor(url: string) {
    this.#ws = new WebSocket(url, { handshakeTimeout: 5000 });
    this.opened = new Promise((resolve, reject) => {
      this.#ws.once('open', resolve);
      this.#ws.once('error', reject);
    });
    this.#ws.on('message', (data) => this.#answer(String(data)));
    this.#ws.on('close', () => {
      if (!this.#leaving) this.closes += 1;
    });
    // Told by 'close' as well.
    this.#ws.on('error', () => {});
  }

  get answered(): number {
    return this.#answers.size;
  }

  get missing(): number {
    return this.sent - this.answered;
  }

  send(): void {
    if (this.#ws.readyState !== WebSocket.OPEN) return;
    this.sent += 1;
    this.#ws.send(String(this.sent));
  }

  close(): Promise<void> {
    this.#leaving = true;
    return new Promise((resolve) => {
      if (this.#ws.readyState === WebSocket.CLOSED) return resolve();
      const timer = setTimeout(() => this.#ws.terminate(), 2000);
      this.#ws.once('close', () => {
        clearTimeout(timer);
        resolve();
      });
      this.#ws.close(1000);
    });
  }

  #answer(text: string): void {
    const [name = '', number = ''] = text.split(': ');
    const n = Number(number);
    if (!this.#answers.has(n)) {
      if (n < this.#last) this.outOfOrder += 1;
      this.#last = n;
    } else {
      this.twice += 1;
    }
    this.#answers.add(n);
    this.names.add(name);
  }
}
