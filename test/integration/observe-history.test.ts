/** GET /pipes/:id tells the exact sequence that led to a disconnection, while the pipe lives and after it closed. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { PipeDetail, PipePage } from '../../src/pipe/views.ts';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';

async function onlyPipe(gateway: TestGateway): Promise<string> {
  const { pipes } = (await gateway.admin('GET', '/pipes')).body as PipePage;
  assert.equal(pipes.length, 1);
  return pipes[0]!.id;
}
async function detail(gateway: TestGateway, id: string): Promise<PipeDetail> {
  const { status, body } = await gateway.admin('GET', `/pipes/${id}`);
  assert.equal(status, 200);
  return body as PipeDetail;
}

test('a frozen backend is seen in the history: silence, pings, verdict, failover', async (t) => {
  const a = await startBackend(t, { tag: 'a' });
  const gateway = await startGateway(t, {
    backends: [{ url: a.url, id: 'a' }],
    heartbeat: { client: { intervalMs: 0 }, backend: { intervalMs: 100, timeoutMs: 450 } },
  });
  const client = await connect(t, gateway.url);
  await client.ask('hello');
  const id = await onlyPipe(gateway);
  const healthy = (await detail(gateway, id)).history.map(({ event }) => event);
  assert.deepEqual(healthy, ['backend.attempt', 'backend.attached', 'pipe.opened']);

  const b = await startBackend(t, { tag: 'b' });
  await gateway.admin('POST', '/backends', { url: b.url, id: 'b' });
  await a.freeze();
  await gateway.waitFor('pipe.restored');
  const { history, state } = await detail(gateway, id);
  assert.equal(state, 'open');
  const events = history.slice(3).map(({ event }) => event);
  const first = (name: string) => events.indexOf(name as never);
  assert.equal(first('heartbeat.missed'), 0, events.join(', '));
  assert.ok(first('heartbeat.ping') > 0, 'the pings nobody answers are there');
  const kinds = events.filter((event) => event !== 'heartbeat.ping' && event !== 'heartbeat.missed');
  // Whether the end is told before or after the interruption is no part of the contract.
  assert.deepEqual(kinds.slice(1, 3).sort(), ['backend.detached', 'pipe.interrupted']);
  kinds.splice(1, 2);
  assert.deepEqual(kinds, ['heartbeat.timeout', 'backend.attempt', 'backend.attached', 'pipe.restored']);
  const timeout = history.find(({ event }) => event === 'heartbeat.timeout');
  assert.equal(timeout?.fields['hop'], 'backend');
  assert.equal(timeout?.fields['backendId'], 'a');
  assert.ok(Number(timeout?.fields['silentMs']) >= 450);
  assert.ok(!('pipeId' in timeout!.fields) && !('clientIp' in timeout!.fields));
  const times = history.map(({ at }) => Date.parse(at));
  assert.deepEqual(
    [...times].sort((x, y) => x - y),
    times,
  );
});

test('a pipe that closed can still be asked for, and says why it did', async (t) => {
  const backend = await startBackend(t, {});
  const gateway = await startGateway(t, { backends: [backend.url] });
  const client = await connect(t, gateway.url);
  await client.ask('hello');
  const id = await onlyPipe(gateway);
  client.close(4001);
  await gateway.waitFor('pipe.closed');
  const closed = await detail(gateway, id);
  assert.equal(closed.state, 'closed');
  assert.equal(closed.client, null);
  assert.equal(closed.backend, null);
  assert.equal(closed.traffic.messagesToBackend, 1);
  const last = closed.history.at(-1);
  assert.equal(last?.event, 'pipe.closed');
  assert.equal(last?.fields['initiator'], 'client');
  assert.equal(last?.fields['closeCode'], 4001);
  assert.equal(((await gateway.admin('GET', '/pipes')).body as PipePage).total, 0);
  for (const [method, path] of [
    ['DELETE', `/pipes/${id}`],
    ['POST', `/pipes/${id}/interrupt`],
    ['GET', '/pipes/never-was'],
  ] as const)
    assert.equal((await gateway.admin(method, path)).status, 404, path);
});
