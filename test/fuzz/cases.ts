/** The cases of a fuzz run, each drawn from its seed alone: a client, a backend, or the head of a request that is not as it should be. */

import { acceptKeyFor } from '../support/frame-codec.ts';
import type { RawBackendConnection } from '../support/raw-backend.ts';
import { connectRaw, openRaw, type RawClient } from '../support/raw-client.ts';
import type { RawLink } from '../support/raw-link.ts';
import { sleep } from '../support/wait.ts';
import { between, type FuzzedStream, fuzzedStream, pick } from './frame-mutations.ts';
import { fuzzedAnswer, fuzzedHead } from './head-mutations.ts';
import { StrictPeer } from './strict-peer.ts';

export interface CaseContext {
  readonly port: number;
  readonly index: number;
  readonly random: () => number;
  /** What must not be. */
  readonly violated: (what: string) => void;
  readonly answered: (status: number) => void;
}

type FuzzCase = (context: CaseContext) => Promise<void>;

/** What else a gateway may say to a request, however odd: 503 = full or closing, or no backend in time. */
const serverErrors: ReadonlySet<number> = new Set([503]);
/** Long enough for an answer to most; who waits on is cut. */
const patienceMs = 250;

async function send(link: RawLink, { chunks, pauseMs, end }: FuzzedStream): Promise<void> {
  for (const chunk of chunks) {
    if (link.isClosed) return;
    void link.sendBytes(chunk);
    if (pauseMs > 0) await sleep(pauseMs);
  }
  if (end === 'fin') link.fin();
  else if (end === 'reset') link.reset();
  else if (end === 'close') void link.sendClose(1000);
}

/** Judges all that has come to this client. */
function judge(client: RawClient, { violated }: CaseContext): void {
  const strict = new StrictPeer(false);
  for (const frame of client.frames.all) strict.judge(frame);
  for (const problem of strict.problems) violated(`to the client: ${problem}`);
}

/** A client whose frames are wrong; its backend echoes what it gets. */
const clientFrames: FuzzCase = async (context) => {
  const { port, random } = context;
  const stream = fuzzedStream(random, true);
  const resumable = random() < 0.2;
  const client = await connectRaw(null, {
    port,
    path: '/ws/echo',
    ...(resumable ? { protocols: ['holdfast.v1'] } : {}),
    timeoutMs: 8000,
  });
  try {
    if (resumable && random() < 0.7) void client.sendText('\u001e{"type":"start","resume":null}');
    await send(client, stream);
    await Promise.race([client.closed, sleep(patienceMs)]);
  } finally {
    judge(client, context);
    client.destroy();
  }
};

/** A good client whose backend is not: see `actAsBackend`. */
const backendFrames: FuzzCase = async (context) => {
  const { port, index } = context;
  const client = await openRaw(null, { port, path: `/ws/evil/${index}` });
  try {
    const answer = await Promise.race([client.response(8000), sleep(4000)]);
    if (answer === undefined || answer.status !== 101) return;
    void client.sendText('hello');
    await Promise.race([client.closed, sleep(patienceMs)]);
  } finally {
    judge(client, context);
    client.destroy();
  }
};

/** What the backend of `/evil/...` does with a connection; the same case may bring several. */
export async function actAsBackend(connection: RawBackendConnection, random: () => number): Promise<void> {
  const kind = random();
  if (kind < 0.3) {
    const head = fuzzedAnswer(random, acceptKeyFor(connection.request.headers['sec-websocket-key'] ?? ''));
    const cut = random() < 0.2 ? between(random, 0, head.length) : head.length;
    void connection.sendBytes(head.subarray(0, cut));
    if (cut < head.length) {
      await sleep(5);
      if (!connection.isClosed) void connection.sendBytes(head.subarray(cut));
    }
  } else if (kind < 0.35) {
    void connection.respond(
      pick(random, [200, 301, 400, 418, 429, 500, 999]),
      { Location: 'http://127.0.0.1:1/' },
      'body',
    );
  } else if (kind < 0.4) {
    void connection.accept({
      headers: { 'Sec-WebSocket-Extensions': 'permessage-deflate' },
      acceptKey: random() < 0.5 ? 'AAAA' : undefined,
    });
  } else {
    await connection.accept();
    await send(connection, fuzzedStream(random, false));
  }
  await sleep(between(random, 0, patienceMs));
  connection.destroy();
}

const requestHeads: FuzzCase = async (context) => {
  const { port, random, violated, answered } = context;
  const client = await openRaw(null, { port, rawRequest: fuzzedHead(random) });
  const answer = { text: '' };
  client.socket.on('data', (chunk: Buffer) => {
    if (answer.text.length < 4096) answer.text += chunk.toString('latin1');
  });
  try {
    await Promise.race([client.closed, sleep(patienceMs)]);
    const found = /^HTTP\/1\.[01] (\d{3}) /.exec(answer.text);
    if (found === null) {
      if (answer.text !== '') violated(`an answer that is not HTTP: ${JSON.stringify(answer.text.slice(0, 80))}`);
      return;
    }
    const status = Number(found[1]);
    answered(status);
    if (status >= 500 && !serverErrors.has(status)) violated(`the status ${status}: ${answer.text.slice(0, 400)}`);
    if (status === 503 && !/^retry-after:/im.test(answer.text)) violated('a 503 without Retry-After');
  } finally {
    client.destroy();
  }
};

export const fuzzCases = {
  'client frames': clientFrames,
  'backend frames': backendFrames,
  'request heads': requestHeads,
} as const;
export type FuzzKind = keyof typeof fuzzCases;

export function drawKind(random: () => number): FuzzKind {
  const kind = random();
  return kind < 0.4 ? 'client frames' : kind < 0.7 ? 'backend frames' : 'request heads';
}
