/** The promise of issue 3: whatever holds the gateway itself up, no healthy pipe is judged dead, and a dead one still is. */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { type GatewayProcess, startGatewayProcess } from '../../bench/support/gateway-process.ts';
import { type ManyEnds, startManyEnds } from '../../bench/support/many-ends.ts';
import { sleep, until } from '../support/wait.ts';

const pipes = 2000;
const stallMs = 5000;
const heartbeat = { client: { intervalMs: 1000 }, backend: { intervalMs: 1000 } };

async function setUp(t: TestContext): Promise<{ ends: ManyEnds; gateway: GatewayProcess }> {
  const ends = await startManyEnds(t, 3);
  const gateway = await startGatewayProcess(t, { backends: ends.urls, heartbeat });
  assert.equal(await ends.connect(gateway.port, pipes), pipes);
  await ends.startLoad(500);
  await pingsOnBothHops(ends, 1);
  return { ends, gateway };
}

/** Waits until every pipe can have had so many pings on each hop. */
async function pingsOnBothHops(ends: ManyEnds, rounds: number): Promise<void> {
  const before = await ends.counts();
  const due = rounds * pipes;
  await until(
    async () => {
      const now = await ends.counts();
      return now.clientPings - before.clientPings >= due && now.backendPings - before.backendPings >= due;
    },
    { timeoutMs: 20_000, intervalMs: 100, what: `${rounds} rounds of pings` },
  );
}

/** Nobody was judged, closed or lost a backend, and every message came back once and in order. */
async function assertAllWell(t: TestContext, ends: ManyEnds, gateway: GatewayProcess): Promise<void> {
  await ends.stopLoad();
  await until(
    async () => {
      const { sent, echoed } = await ends.counts();
      return echoed >= sent;
    },
    { timeoutMs: 10_000, intervalMs: 50, what: 'all echoes' },
  );
  const [counts, at] = await Promise.all([gateway.counts(), ends.counts()]);
  const stalls = await gateway.events('gateway.stalled');
  const stalledMs = stalls.reduce((sum, one) => sum + one.stalledMs, 0);
  t.diagnostic(
    `${counts['heartbeat.pong']} pongs, ${at.echoed} echoes, ${counts['heartbeat.missed'] ?? 0} warnings, ${stalls.length} stalls of ${stalledMs.toFixed(0)} ms`,
  );
  assert.ok(stalledMs > stallMs - 100, `the gateway noticed only ${stalledMs} ms of stall`);
  assert.equal(counts['heartbeat.timeout'] ?? 0, 0, 'verdicts');
  assert.equal(counts['pipe.closed'] ?? 0, 0, 'pipes closed');
  assert.equal(counts['pipe.interrupted'] ?? 0, 0, 'pipes interrupted');
  assert.deepEqual(
    {
      clients: at.clients,
      backendEnds: at.backendEnds,
      clientsClosed: at.clientsClosed,
      backendsClosed: at.backendsClosed,
    },
    { clients: pipes, backendEnds: pipes, clientsClosed: 0, backendsClosed: 0 },
  );
  assert.equal(at.misplaced, 0, 'messages lost, twice or out of order');
  assert.equal(at.echoed, at.sent);
  assert.ok(at.sent >= 500, `${at.sent} messages under way`);
}

test('2,000 pipes at 1 s under load: with the gateway’s event loop blocked for 5 s nobody is judged dead; ends that then really die are found', async (t) => {
  const { ends, gateway } = await setUp(t);
  await gateway.block(stallMs);
  await pingsOnBothHops(ends, 4);
  await assertAllWell(t, ends, gateway);

  const at = performance.now();
  await ends.freeze();
  await until(async () => (await gateway.pipes()) === 0, {
    timeoutMs: 40_000,
    intervalMs: 50,
    what: 'all pipes of frozen clients to be closed',
  });
  const foundMs = performance.now() - at;
  const verdicts = (await gateway.events('heartbeat.timeout')).filter(({ hop }) => hop === 'client');
  assert.equal(verdicts.length, pipes);
  const latest = Math.max(...verdicts.map(({ silentMs }) => silentMs));
  // One step, and 50 ms unforgiven of each: what was done before this tick, how late it came, what was done in it for others.
  assert.ok(latest <= 3000 + 10 + 3 * 50 + 3, `the last was found after ${latest} ms of silence`);
  t.diagnostic(
    `${verdicts.length} frozen clients found, the last after ${latest.toFixed(0)} ms of silence, ${foundMs.toFixed(0)} ms on the wall`,
  );
});

test('2,000 pipes at 1 s under load: with the gateway stopped by SIGSTOP for 5 s nobody is judged dead', async (t) => {
  const { ends, gateway } = await setUp(t);
  await gateway.freeze();
  // How long it stands still is what is tested.
  await sleep(stallMs);
  gateway.thaw();
  await pingsOnBothHops(ends, 4);
  await assertAllWell(t, ends, gateway);
});
