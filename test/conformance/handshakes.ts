/** Plays the tables of handshakes: one gateway for all requests, one for all answers of backends. */
import { randomBytes } from 'node:crypto';
import type { HoldfastEvents } from '../../src/observe/events.ts';
import { acceptKeyFor } from '../support/frame-codec.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import type { Owner } from '../support/owner.ts';
import { type RawBackendConnection, startRawBackend } from '../support/raw-backend.ts';
import { handshakeRequest, openRaw, type RawClient } from '../support/raw-client.ts';
import { until, withTimeout } from '../support/wait.ts';
import type { AnswerCase } from './cases/answers.ts';
import type { RequestCase } from './cases/requests.ts';
import type { Failure } from './suite.ts';

const closing = { handshakeMs: 1000, lingerMs: 1000 } as const;
const heartbeat = { client: { intervalMs: 0 }, backend: { intervalMs: 0 } } as const;

type Wrong = (what: string, actual: unknown, wanted: unknown) => void;
function collector(): { readonly wrong: string[]; readonly must: Wrong } {
  const wrong: string[] = [];
  return {
    wrong,
    must: (what, actual, wanted) => {
      if (actual !== wanted) wrong.push(`${what}: ${JSON.stringify(actual)}, not ${JSON.stringify(wanted)}`);
    },
  };
}

async function playAll<T extends { readonly name: string; readonly rfc: string }>(
  cases: readonly T[],
  play: (one: T) => Promise<readonly string[]>,
): Promise<Failure[]> {
  const failures: Failure[] = [];
  const waiting = cases.values();
  const worker = async (): Promise<void> => {
    for (const one of waiting) {
      const name = `${one.name} (${one.rfc.startsWith('RFC') ? one.rfc : `RFC 6455 section ${one.rfc}`})`;
      const wrong = await play(one).catch((error: unknown) => [error instanceof Error ? error.message : String(error)]);
      if (wrong.length > 0) failures.push({ case: name, wrong });
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  return failures;
}

/** A message there and back, then a whole closing handshake. */
async function relays(client: RawClient, link: RawBackendConnection, must: Wrong): Promise<void> {
  await client.sendText('up');
  must('what the backend gets', (await link.nextMessage()).text, 'up');
  await link.sendText('down');
  must('what the client gets', (await client.nextMessage()).text, 'down');
  await client.sendClose(1000);
  must('the Close', (await client.nextClose()).code, 1000);
  await client.waitClosed();
}

export interface RequestRig {
  play(cases: readonly RequestCase[]): Promise<Failure[]>;
  /** A client whose backend answers only now: nobody was harmed in between. */
  patientIsServed(): Promise<boolean>;
}

export async function startRequestRig(t: Owner): Promise<RequestRig> {
  const links = new Map<string, RawBackendConnection>();
  const backend = await startRawBackend(t, {
    autoClose: true,
    autoPong: true,
    onConnection: (link) => {
      links.set(link.request.path.replace(/\?.*/s, ''), link);
      if (link.request.path !== '/patient') void link.accept();
    },
  });
  const gateway = await startGateway(t, {
    backends: [backend.url],
    closing,
    heartbeat,
    failover: { handshakeWaitMs: 60_000 },
    pool: { dialTimeoutMs: 60_000 },
  });
  const patient = await openRaw(t, { port: gateway.port, path: '/ws/patient' });
  const dial = await backend.nextConnection();
  let lastCase = 0;

  const play = async (one: RequestCase): Promise<readonly string[]> => {
    const { wrong, must } = collector();
    lastCase += 1;
    const path = one.path ?? `/ws/${lastCase}`;
    const client = await open(gateway, one, path);
    try {
      const answer = await client.response();
      must('status', answer.status, one.status);
      for (const [name, pattern] of Object.entries(one.headers ?? {})) {
        const value = answer.headers[name] ?? '';
        if (!pattern.test(value)) wrong.push(`the header ${name}: '${value}'`);
      }
      const link = links.get(path.replace(/^http:\/\/[^/]+|\?.*/gs, '').slice('/ws'.length));
      if (answer.status === 101) {
        must('accept key', answer.headers['sec-websocket-accept'], acceptKeyFor(client.key));
        must('subprotocol', answer.headers['sec-websocket-protocol'], one.protocol);
        must('extensions', answer.headers['sec-websocket-extensions'], undefined);
        must('Upgrade', answer.headers['upgrade']?.toLowerCase(), 'websocket');
        must('Connection', answer.headers['connection']?.toLowerCase(), 'upgrade');
        if (link === undefined) wrong.push('no backend was dialled');
        else await relays(client, link, must);
      } else {
        if (link !== undefined) wrong.push('a backend was dialled');
        if (one.code !== undefined) mustBeError(one, answer.body, must);
        if (one.keepsOpen !== true) await client.waitClosed(3000);
      }
    } finally {
      client.destroy();
    }
    return wrong;
  };
  return {
    play: (cases) => playAll(cases, play),
    patientIsServed: async () => {
      await until(() => gateway.manager.size === 1, { what: 'all other pipes to be gone' });
      await dial.accept();
      const { status } = await patient.response();
      await patient.sendText('still here');
      return status === 101 && (await dial.nextMessage()).text === 'still here';
    },
  };
}

function mustBeError(one: RequestCase, text: string, must: Wrong): void {
  const body = JSON.parse(text) as Record<string, unknown>;
  must('code', body['code'], one.code);
  must('statusCode', body['statusCode'], one.status);
  must('keys of the body', Object.keys(body).sort().join(), 'code,error,message,statusCode');
}

/** Sends the request as the case has it; the client knows the key that was sent. */
async function open(gateway: TestGateway, one: RequestCase, path: string): Promise<RawClient> {
  const options = { port: gateway.port, path, ...one.request };
  const request = handshakeRequest(options, randomBytes(16).toString('base64'));
  const text = one.edit?.(request) ?? request;
  const client = await openRaw(null, { ...options, rawRequest: Buffer.from(text, 'latin1') });
  const sent = /^sec-websocket-key:[ \t]*(.*?)[ \t]*\r?$/im.exec(text)?.[1] ?? '';
  return Object.assign(client, { key: sent });
}

export interface AnswerRig {
  play(cases: readonly AnswerCase[]): Promise<Failure[]>;
}

/** The first dial of a case gets its answer, the next a good one. */
export async function startAnswerRig(t: Owner): Promise<AnswerRig> {
  const ofCase = new Map<string, { readonly one: AnswerCase; readonly links: RawBackendConnection[] }>();
  const backend = await startRawBackend(t, {
    autoClose: true,
    autoPong: true,
    onConnection: (link) => {
      const id = link.request.path.replace(/^.*\//s, '');
      const playing = ofCase.get(id);
      playing?.links.push(link);
      void link.accept(playing?.links.length === 1 ? playing.one.answer : {});
    },
  });
  const gateway = await startGateway(t, {
    backends: [{ url: `${backend.url}/a` }, { url: `${backend.url}/b` }],
    closing,
    heartbeat,
    pool: { ejectAfter: 0 },
    clientId: (request) => request.raw.url!.replace(/^.*\//s, ''),
  });
  const failures = new Map<string, HoldfastEvents['backend.attempt-failed']>();
  gateway.manager.events.tap((name, event) => {
    if (name !== 'backend.attempt-failed') return;
    const failed = event as HoldfastEvents['backend.attempt-failed'];
    failures.set(failed.clientId, failed);
  });
  let lastCase = 0;

  const play = async (one: AnswerCase): Promise<readonly string[]> => {
    const { wrong, must } = collector();
    lastCase += 1;
    const id = `case-${lastCase}`;
    const links: RawBackendConnection[] = [];
    ofCase.set(id, { one, links });
    const client = await openRaw(null, { port: gateway.port, path: `/ws/${id}`, protocols: one.protocols });
    try {
      const answer = await client.response();
      must('status', answer.status, 101);
      const told = answer.headers['sec-websocket-protocol'] ?? '';
      must('subprotocol', told, one.taken ?? one.protocols?.[0] ?? '');
      must('dials', links.length, one.taken === null ? 2 : 1);
      const wanted = one.taken === null ? (one.failure ?? 'bad-handshake') : undefined;
      must('failure', failures.get(id)?.failure, wanted);
      await relays(client, links.at(-1)!, must);
      if (one.taken === null) await withTimeout(links[0]!.closed, 3000, 'the first connection to be dropped');
    } finally {
      client.destroy();
    }
    return wrong;
  };
  return { play: (cases) => playAll(cases, play) };
}
