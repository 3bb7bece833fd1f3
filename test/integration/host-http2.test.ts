/** A host that serves HTTP/2: WebSocket clients come over HTTP/1.1 to the same port, and what is asked over HTTP/2 is answered there. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, connect, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2';
import { type TestContext, test } from 'node:test';
import type { FastifyServerOptions } from 'fastify';
import { certificates } from '../support/certificates.ts';
import { adminToken, startGateway, type TestGateway } from '../support/gateway.ts';
import { LogCapture } from '../support/log-capture.ts';
import { startRawBackend } from '../support/raw-backend.ts';
import { connectRaw } from '../support/raw-client.ts';

const authorization = `Bearer ${adminToken}`;

async function startHost(t: TestContext, options: object): Promise<TestGateway> {
  const backend = await startRawBackend(t, { onConnection: (connection) => void connection.accept() });
  return await startGateway(t, { backends: [backend.url], fastify: options as FastifyServerOptions });
}

async function ask(session: ClientHttp2Session, headers: OutgoingHttpHeaders): Promise<IncomingHttpHeaders> {
  const stream = session.request(headers);
  const [answer] = (await once(stream, 'response', { signal: AbortSignal.timeout(5000) })) as [IncomingHttpHeaders];
  stream.resume();
  await once(stream, 'close');
  return answer;
}

async function assertAnswered(url: string, ca?: string): Promise<void> {
  const expected: readonly (readonly [headers: OutgoingHttpHeaders, status: number])[] = [
    [{ ':path': '/ws' }, 426],
    [{ ':path': '/ws/deep?x=1' }, 426],
    [{ ':path': '/ws', 'sec-websocket-version': '13' }, 426],
    [{ ':path': '/ws', ':method': 'POST' }, 405],
    [{ ':path': '/livez' }, 200],
    [{ ':path': '/backends' }, 401],
    [{ ':path': '/backends', authorization }, 200],
    [{ ':path': '/backends', ':method': 'POST', authorization }, 400],
    [{ ':path': '/backends/none', ':method': 'DELETE', authorization }, 404],
    [{ ':path': '/docs' }, 200],
    [{ ':path': '/docs/json' }, 200],
    [{ ':path': '/metrics', authorization }, 200],
    [{ ':path': '/nowhere' }, 404],
    [{ ':path': '/%zz' }, 400],
  ];
  const session = connect(url, ca === undefined ? {} : { ca });
  try {
    for (const [headers, status] of expected) {
      const answer = await ask(session, headers);
      assert.equal(answer[':status'], status, JSON.stringify(headers));
      assert.deepEqual([answer.connection, answer.upgrade], [undefined, undefined], JSON.stringify(headers));
    }
  } finally {
    // The end of the app would wait for it.
    session.destroy();
  }
}

test('regression: over HTTP/2 the path of the clients, and every other one, is answered, and clients connect over HTTP/1.1 as ever', async (t) => {
  const { ca, server } = await certificates();
  const gateway = await startHost(t, { http2: true, https: { ...server, allowHTTP1: true } });
  await assertAnswered(gateway.httpUrl, ca.cert);
  await connectRaw(t, { port: gateway.port, path: '/ws', tls: { ca: ca.cert }, autoClose: true });
});

test('regression: a host of HTTP/2 without TLS is answered too, and not told of a headersTimeout that it does not have', async (t) => {
  const log = new LogCapture();
  const gateway = await startHost(t, { http2: true, logger: { level: 'warn', stream: log } });
  await assertAnswered(gateway.httpUrl);
  assert.doesNotMatch(log.text, /headersTimeout/);
});
