import assert from 'node:assert/strict';
import test from 'node:test';
import type { TestGateway } from '../support/gateway.ts';
import { readNumbered } from '../support/numbered.ts';
import { connectRaw } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';
import { assertExact, onlyPipe, startPair, viewOf, watchMost } from './failover-scenario.ts';
import { assertReached } from './limits-scenario.ts';

const maxDownstreamBytes = 256 * 1024;
/** Two reads: a chunk that passes the bound, and one that Node had already read. */
const slack = 2 * 65_536;
const count = 3000;
const quietMs = 500;
/** 30 MB on a busy machine. */
const patienceMs = 30_000;

function waitingFor(gateway: TestGateway): () => number {
  return () => gateway.manager.pipes().pipes[0]?.client?.bufferedBytes ?? 0;
}

test('A client that does not read stops the reading of its backend; when it reads again everything comes, in order', async (t) => {
  const { a, gateway } = await startPair(t, { buffer: { maxDownstreamBytes } });
  const client = await connectRaw(t, { port: gateway.port, path: '/ws', autoPong: true });
  const pipe = onlyPipe(gateway);
  client.pause();
  const most = watchMost(t, waitingFor(gateway));
  // 30 MB.
  await client.sendText(`burst:${count}:10000`);
  const paused = await gateway.waitFor('pipe.paused', undefined, patienceMs);
  assert.equal(paused.direction, 'toClient');
  await assertReached(gateway, 'holdfast_pauses_total{direction="toClient"}');
  await until(() => viewOf(gateway, pipe).backend?.paused === true);
  // The backend keeps what nobody takes.
  await until(async () => (await a.describe())[0]!.bufferedBytes > 5_000_000, {
    timeoutMs: patienceMs,
    what: 'the backend to be blocked',
  });
  client.resume();
  const numbers: number[] = [];
  while (numbers.length < count) {
    const numbered = readNumbered((await client.nextMessage({ timeoutMs: patienceMs })).data);
    assert.ok(numbered?.whole);
    numbers.push(numbered.n);
  }
  assertExact(numbers, count, 'messages');
  assert.ok(most() <= maxDownstreamBytes + slack, `${most()} bytes waited in the gateway`);
  await gateway.waitFor('pipe.resumed');
  assert.equal(viewOf(gateway, pipe).backend?.paused, false);
  t.diagnostic(`most buffered ${most()} bytes of ${maxDownstreamBytes}`);
});

test('A slow client bounds the gateway also while its pipe migrates: the old backend is not read ahead of it', async (t) => {
  // A little at first: a barrier that is behind what the client does not take comes back when it does.
  const push = { intervalMs: 5, bytes: 100 };
  const { a, b, gateway } = await startPair(
    t,
    { buffer: { maxDownstreamBytes }, drain: { quietMs, tailMs: 30_000 } },
    { push },
  );
  const client = await connectRaw(t, { port: gateway.port, path: '/ws', autoPong: true });
  client.pause();
  const most = watchMost(t, waitingFor(gateway));
  await gateway.admin('PATCH', '/backends/a', { adminState: 'draining' });
  await gateway.waitFor('pipe.migrated', undefined, patienceMs);
  await Promise.all([a, b].map((one) => one.set({ push: { ...push, bytes: 100_000 } })));
  await gateway.waitFor('pipe.paused', undefined, patienceMs);
  const pausedAt = performance.now();
  // The old backend could be taken for quiet now, since nobody reads it.
  await until(() => performance.now() - pausedAt > 2 * quietMs, { what: 'quietMs to be over' });
  await a.set({ push: null });
  client.resume();
  let last = 0;
  let links = 1;
  for (let seen = 0; links < 2 || seen < 300; seen += 1) {
    const numbered = readNumbered((await client.nextMessage({ timeoutMs: patienceMs })).data);
    assert.ok(numbered?.whole);
    // The old backend's numbers to the end, then the new one's from 1.
    if (numbered.n === 1 && last > 0) links += 1;
    else assert.equal(numbered.n, last + 1);
    last = numbered.n;
  }
  assert.equal(links, 2);
  assert.ok(most() <= maxDownstreamBytes + slack + 100_014, `${most()} bytes waited in the gateway`);
  t.diagnostic(`most buffered ${most()} bytes of ${maxDownstreamBytes}`);
});
