/** The command answers what is not HTTP, or too long, in the one error shape, and ends that connection only. */
import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { buildApp } from '../../src/app.ts';
import { adminToken } from '../support/gateway.ts';
import { LogCapture } from '../support/log-capture.ts';
import { openRaw } from '../support/raw-client.ts';

async function start(t: TestContext): Promise<{ port: number; log: LogCapture }> {
  const log = new LogCapture();
  const admin = { prefix: '', tokens: [adminToken], publicMetrics: false };
  const app = await buildApp({ options: { shutdown: { spreadMs: 0 } }, logLevel: 'trace', logStream: log, admin });
  t.after(() => app.close());
  await app.listen({ port: 0, host: '127.0.0.1' });
  return { port: (app.server.address() as AddressInfo).port, log };
}

for (const [name, rawRequest, status, code] of [
  [
    'headers of 20,000 bytes',
    `GET /ws HTTP/1.1\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
    431,
    'HOLDFAST_ERR_HEAD_TOO_LONG',
  ],
  [
    'a url of 20,000 bytes',
    `GET /${'x'.repeat(20_000)} HTTP/1.1\r\nHost: a\r\n\r\n`,
    431,
    'HOLDFAST_ERR_HEAD_TOO_LONG',
  ],
  ['what is not HTTP', 'SECRET garbage\r\n\r\n', 400, 'HOLDFAST_ERR_REQUEST_BROKEN'],
  ['a header without a colon', 'GET / HTTP/1.1\r\nHost: a\r\nSECRET\r\n\r\n', 400, 'HOLDFAST_ERR_REQUEST_BROKEN'],
] as const) {
  test(`the command answers ${name} with ${status}, ends the connection and logs nothing of it`, async (t) => {
    const { port, log } = await start(t);
    const client = await openRaw(t, { port, rawRequest });
    const answer = await client.response();
    assert.equal(answer.status, status);
    assert.equal(answer.headers['connection'], 'close');
    const body = JSON.parse(answer.body) as Record<string, unknown>;
    assert.deepEqual(Object.keys(body).sort(), ['code', 'error', 'message', 'statusCode']);
    assert.deepEqual([body['statusCode'], body['code']], [status, code]);
    await client.waitClosed();
    assert.doesNotMatch(log.text + answer.body, /SECRET/);
    const healthy = await openRaw(t, { port, path: '/livez', headers: { upgrade: null, connection: null } });
    assert.equal((await healthy.response()).status, 200);
  });
}
