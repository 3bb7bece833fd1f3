/** A parked pipe, and who gets it. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { pipeKey } from '../../src/cluster/keys.ts';
import { MemoryHub, MemoryStore } from '../../src/cluster/memory-store.ts';
import type { Handovers } from '../../src/gateways/handovers.ts';
import { startBackend } from '../support/backend-process.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { connectResumable } from '../support/resume-client.ts';
import { until } from '../support/wait.ts';
import { assertReached } from './limits-scenario.ts';

interface Fleet {
  readonly gateways: readonly TestGateway[];
  readonly handovers: readonly Handovers[];
  readonly hub: MemoryHub;
}

async function startFleet(t: TestContext, count: number, maxHandoverBytes = 2_097_152): Promise<Fleet> {
  const backend = await startBackend(t, { echo: true });
  const hub = new MemoryHub();
  const gateways: TestGateway[] = [];
  for (let n = 0; n < count; n += 1) {
    const cluster = { store: new MemoryStore(hub), beatMs: 100, memberTtlMs: 1000, maxHandoverBytes };
    gateways.push(await startGateway(t, { backends: [backend.url], drain: { quietMs: 50, tailMs: 400 }, cluster }));
  }
  const handovers = gateways.map(({ manager }) => manager.claims as Handovers);
  return { gateways, handovers, hub };
}

const binding = { origin: '', clientId: null, principalId: null };

test('two gateways that want the same parked pipe at once: exactly one gets it', async (t) => {
  const { gateways, handovers } = await startFleet(t, 3);
  const [first] = gateways;
  for (let round = 0; round < 5; round += 1) {
    const { welcome } = await connectResumable(t, first!.url);
    const resume = { pipe: welcome.pipe, token: welcome.token, received: 0 };
    const pipe = first!.manager.findPipe(welcome.pipe)!;
    assert.equal(await handovers[0]!.park(pipe, { code: 1012, text: 'parked' }), true);
    assert.equal(first!.manager.size, 0);
    const answers = await Promise.all(handovers.map((one) => one.fetch(resume, binding)));
    const kinds = answers.map(({ kind }) => kind).sort();
    assert.deepEqual(kinds, ['moved', 'none', 'none']);
  }
});

test('who does not know the token gets a parked pipe as little as a live one, and takes it from nobody', async (t) => {
  const { gateways } = await startFleet(t, 2);
  const [first, second] = gateways;
  const { client, welcome } = await connectResumable(t, first!.url);
  const { pipe, token } = welcome;
  const wrong = { pipe, token: token.slice(0, -2) + (token.endsWith('AA') ? 'BB' : 'AA'), received: 0 };
  const stranger = await connectResumable(t, second!.url, { resume: wrong });
  assert.deepEqual([stranger.welcome.resumed, stranger.welcome.reason], [false, 'unknown']);
  assert.equal(first!.manager.findPipe(pipe)!.state, 'open', 'its client notices nothing');
  assert.equal((await second!.waitFor('client.resume-refused')).reason, 'token');
  await first!.manager.close();
  await client.closed;
  const again = await connectResumable(t, second!.url, { resume: wrong });
  assert.equal(again.welcome.resumed, false);
  const own = await connectResumable(t, second!.url, { resume: { pipe, token, received: 0 } });
  assert.equal(own.welcome.resumed, true);
});

test('a pipe with more for its client than may be taken along ends, and the client is told that its session is a new one', async (t) => {
  const { gateways } = await startFleet(t, 2, 40_000);
  const [first, second] = gateways;
  const owner = await connectResumable(t, first!.url);
  const { pipe, token } = owner.welcome;
  for (let n = 0; n < 4; n += 1) owner.send('x'.repeat(10_000));
  await until(() => owner.texts.length === 4);
  const next = await connectResumable(t, second!.url, { resume: { pipe, token, received: 0 } });
  assert.deepEqual([next.welcome.resumed, next.welcome.reason], [false, 'hand-over-failed']);
  assert.equal((await second!.waitFor('client.resume-refused')).reason, 'hand-over-failed');
  await assertReached(second!, 'holdfast_client_resumes_total{result="hand-over-failed"}', 1);
  assert.equal((await first!.waitFor('pipe.closed')).reason, 'hand-over-failed');
});

test('nothing is left in the store when the last pipe has closed', async (t) => {
  const { gateways, handovers, hub } = await startFleet(t, 2);
  const [first, second] = gateways;
  const before = hub.bytes;
  const { welcome } = await connectResumable(t, first!.url);
  const { pipe, token } = welcome;
  const key = pipeKey(pipe)!;
  await until(() => hub.get(key) !== null, { what: 'the record of the pipe' });
  assert.ok(!hub.get(key)!.value.includes(token), 'no token is in it');
  const { client } = await connectResumable(t, second!.url, { resume: { pipe, token, received: 0 } });
  assert.equal(handovers[0]!.claims.size, 0);
  assert.equal(handovers[1]!.claims.size, 1);
  client.close(1000);
  await until(() => hub.get(key) === null && hub.bytes === before, { what: 'a store with nothing of pipes' });
});
