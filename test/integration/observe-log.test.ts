/** What is written to the log of a real gateway, and what never is. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect, connectRefused } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { LogCapture } from '../support/log-capture.ts';

const secret = 's3cr3t-do-not-write';

/** Asks often, and takes nobody who is slow to answer for dead. */
const often = { intervalMs: 100, timeoutMs: 60_000 };

test('the life of a pipe is in the log, with its fields, from the backends of the options on', async (t) => {
  const capture = new LogCapture();
  const a = await startBackend(t, { tag: 'a' });
  const b = await startBackend(t, { tag: 'b' });
  const gateway = await startGateway(t, {
    backends: [{ url: a.url, id: 'a' }],
    fastify: { logger: { level: 'trace', stream: capture } },
    heartbeat: { client: often, backend: often },
  });
  const [registered] = capture.events('backend.registered');
  assert.equal(registered?.['backendId'], 'a');
  assert.equal(registered?.['gateway'], '/ws');
  assert.equal(capture.events('gateway.started')[0]?.['backends'], 1);

  const client = await connect(t, `${gateway.url}/alice`);
  await client.ask('hello');
  for (const name of ['heartbeat.ping', 'heartbeat.pong']) assert.equal((await capture.waitForEvent(name)).level, 10);
  await gateway.admin('POST', '/backends', { url: b.url, id: 'b' });
  a.kill();
  const restored = await capture.waitForEvent('pipe.restored');
  assert.equal(restored.level, 30);
  assert.equal(restored['backendId'], 'b');
  assert.equal(restored['generation'], 2);
  const [interrupted] = capture.events('pipe.interrupted');
  assert.equal(interrupted?.level, 40);
  assert.equal(interrupted?.['backendId'], 'a');
  assert.equal(interrupted?.['closeCode'], 1006);
  assert.equal(interrupted?.['pipeId'], restored['pipeId']);
  client.close(1000);
  const closed = await capture.waitForEvent('pipe.closed');
  assert.equal(closed['interruptions'], 1);
  await gateway.admin('PATCH', '/config/heartbeat', { client: { intervalMs: 200 } });
  const changed = await capture.waitForEvent('config.changed');
  const intervalOf = (settings: unknown) => (settings as { client: { intervalMs: number } }).client.intervalMs;
  assert.deepEqual([intervalOf(changed['before']), intervalOf(changed['after'])], [100, 200]);
  for (const line of capture.lines.filter(({ event }) => event !== undefined))
    for (const [field, value] of Object.entries(line))
      if (field.endsWith('Ms') && typeof value === 'number')
        assert.ok(Math.abs(value * 10 - Math.round(value * 10)) < 1e-6, `${field} ${value}`);
});

test('no payload, token, cookie or query string is in the log at any level, however it comes in', async (t) => {
  const capture = new LogCapture();
  const backend = await startBackend(t, { tag: 'a' });
  const gateway = await startGateway(t, {
    backends: [{ url: `${backend.url}/path?key=${secret}`, id: 'a' }],
    admin: { auth: { tokens: [`admin-${secret}`] } },
    fastify: { logger: { level: 'trace', stream: capture } },
    heartbeat: { client: { ...often, json: 'on' }, backend: often },
    requestHeaders: (headers, { generation }) => {
      if (generation > 1) throw new Error(`no session: cookie=${headers['cookie']}; token=${secret}`);
      return headers;
    },
  });
  const headers = { cookie: `sid=${secret}`, authorization: `Bearer ${secret}`, 'x-api-key': secret };
  const client = await connect(t, `${gateway.url}?token=${secret}`, { headers });
  client.send(`payload ${secret}`);
  // A JSON ping may come before.
  await client.waitFor(({ text }) => text.includes(`payload ${secret}`));
  await capture.waitForEvent('heartbeat.pong');
  const get = (path: string, token: string) =>
    fetch(`${gateway.httpUrl}${path}`, { headers: { authorization: `Bearer ${token}` } });
  assert.equal((await get('/stats', `wrong-${secret}`)).status, 401);
  assert.equal((await get('/stats', `admin-${secret}`)).status, 200);
  await connectRefused(t, `${gateway.url}/%ff?token=${secret}`, { headers });
  await fetch(`${gateway.httpUrl}/ws?token=${secret}`);
  // The hook of the host fails with a secret in its message.
  const [pipe] = gateway.manager.pipes().pipes;
  await fetch(`${gateway.httpUrl}/pipes/${pipe?.id}/interrupt`, {
    method: 'POST',
    headers: { authorization: `Bearer admin-${secret}` },
  });
  const failed = await capture.waitForEvent('backend.attempt-failed');
  assert.equal(failed['failure'], 'attach-hook');
  assert.match(String(failed['detail']), /no session/);
  await capture.waitForEvent('audit.refused');
  const leaked = capture.text.split('\n').filter((line) => line.includes('s3cr3t'));
  assert.deepEqual(leaked, []);
  for (const path of ['/metrics', '/backends', '/stats', '/pipes', `/pipes/${pipe?.id}`])
    assert.doesNotMatch(await (await get(path, `admin-${secret}`)).text(), /s3cr3t/, path);
});
