/** What strangers ask of the command does not fill its log. */
import assert from 'node:assert/strict';
import { type AddressInfo, createConnection } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { AdminListen } from '../../src/admin/settings.ts';
import { buildApp } from '../../src/app.ts';
import { connectRefused } from '../support/client.ts';
import { adminToken } from '../support/gateway.ts';
import { LogCapture } from '../support/log-capture.ts';
import { openRaw } from '../support/raw-client.ts';

const times = 30;
type Level = 'info' | 'debug';

async function start(t: TestContext, logLevel: Level, listen?: AdminListen) {
  const log = new LogCapture();
  const admin = { prefix: '', tokens: [adminToken], publicMetrics: false, ...(listen && { listen }) };
  const options = { shutdown: { spreadMs: 0 }, limits: { refusedLogsPerSecond: 1 } };
  const app = await buildApp({ options, logLevel, logStream: log, admin });
  t.after(() => app.close());
  await app.listen({ port: 0, host: '127.0.0.1' });
  return { app, port: (app.server.address() as AddressInfo).port, log };
}

test('at level info the lines of refused upgrades, unknown addresses, missing tokens and what is not HTTP are bounded', async (t) => {
  const { app, port, log } = await start(t, 'info');
  const before = log.lines.length;
  for (let n = 0; n < times; n += 1) {
    await connectRefused(t, `ws://127.0.0.1:${port}/ws`, { headers: { origin: 'https://elsewhere.example' } });
    assert.equal((await app.inject('/nothing')).statusCode, 404);
    assert.equal((await app.inject('/backends')).statusCode, 401);
    await (await openRaw(t, { port, rawRequest: 'garbage\r\n\r\n' })).waitClosed();
  }
  const lines = log.lines.slice(before);
  assert.ok(lines.length < times, `${lines.length} lines for ${4 * times} requests`);
  assert.ok(lines.some(({ event }) => event === 'audit.refused'));
  assert.ok(lines.some(({ event }) => event === 'pipe.refused'));
});

test('at level debug each request has its lines', async (t) => {
  const { app, log } = await start(t, 'debug');
  await app.inject('/nothing?token=secret');
  const [line] = log.events('incoming request');
  assert.deepEqual(line?.['req'], { method: 'GET', path: '/nothing', ip: '127.0.0.1' });
  assert.equal(log.events('request completed').length, 1);
  assert.doesNotMatch(log.text, /secret/);
});

test('a port of its own for the admin API writes no line for each request', async (t) => {
  const { app, log } = await start(t, 'info', { port: 0 });
  const before = log.lines.length;
  for (let n = 0; n < times; n += 1) assert.equal((await app.adminServer!.inject('/nothing')).statusCode, 404);
  assert.equal(log.lines.length, before, log.text);
});

for (const [level, count] of [
  ['info', 0],
  ['debug', 1],
] as const)
  test(`an answer that its client does not wait for is ${count} lines at level ${level}`, async (t) => {
    const { app, port, log } = await start(t, level);
    const ended = new Promise((resolve) => app.server.once('connection', (socket) => socket.once('close', resolve)));
    const socket = createConnection({ port, host: '127.0.0.1' });
    socket.write('GET /docs/static/swagger-ui-bundle.js HTTP/1.1\r\nhost: here\r\n\r\n');
    socket.once('data', () => socket.resetAndDestroy());
    await ended;
    assert.equal(log.events('stream closed prematurely').length, count, log.text);
  });
