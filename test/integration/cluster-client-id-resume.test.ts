/** Resumable clients with ids of their own over several gateways: a session takes the id along, and loses it to a newer one. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { pipeKey } from '../../src/cluster/keys.ts';
import { MemoryHub, MemoryStore } from '../../src/cluster/memory-store.ts';
import { resumeProtocol } from '../../src/wire/resume.ts';
import { startBackend } from '../support/backend-process.ts';
import { claimOf, untilClaimed } from '../support/claiming-gateway.ts';
import { connect, connectRefused } from '../support/client.ts';
import { type ClusterOptions, startCluster } from '../support/cluster.ts';
import { connectResumable } from '../support/resume-client.ts';
import { until } from '../support/wait.ts';

async function startTwo(t: TestContext, options: ClusterOptions = {}) {
  const hub = new MemoryHub();
  const backend = await startBackend(t, { tag: 'a' });
  const [one, two] = await startCluster(t, 2, {
    store: () => new MemoryStore(hub),
    backends: [backend.url],
    path: '/ws/:clientId',
    drain: { quietMs: 50, tailMs: 400 },
    ...options,
  });
  return { hub, one: one!, two: two! };
}

test('a session that is resumed at another gateway takes its client id along', async (t) => {
  const { hub, one, two } = await startTwo(t);
  const first = await connectResumable(t, `${one.url}/anna`);
  const { pipe, token } = first.welcome;
  const before = claimOf(hub)!.gateway;
  const { client, welcome } = await connectResumable(t, `${two.url}/anna`, { resume: { pipe, token, received: 0 } });
  assert.equal(welcome.resumed, true);
  await until(() => claimOf(hub)?.gateway !== before);
  assert.deepEqual([claimOf(hub)?.pipe, claimOf(hub)?.state], [pipe, 'held']);
  assert.equal((await connectRefused(t, `${one.url}/anna`)).status, 409);
  client.close();
  await untilClaimed(hub, null);
  await connect(t, `${one.url}/anna`);
});

test('a session whose client is away loses its id to one that comes anew at another gateway, and is over', async (t) => {
  const { hub, one, two } = await startTwo(t);
  const first = await connectResumable(t, `${one.url}/anna`);
  first.client.terminate();
  await one.waitFor('client.detached');
  assert.equal(claimOf(hub)?.pipe, first.welcome.pipe, 'it is kept while the client is away');
  const newer = await connectResumable(t, `${two.url}/anna`);
  const closed = await one.waitFor('pipe.closed');
  assert.deepEqual([closed.reason, closed.closeCode], ['replaced', 4409]);
  await untilClaimed(hub, newer.welcome.pipe);
  // Its token is of no use any more, and as a new one it finds its id in use.
  const { pipe, token } = first.welcome;
  const late = await connect(t, `${one.url}/anna`, { protocols: [resumeProtocol] });
  await late.next();
  late.send(`\u001e${JSON.stringify({ type: 'start', resume: { pipe, token, received: 0 } })}`);
  assert.equal((await late.waitClosed()).code, 4409);
  assert.equal(newer.client.closeInfo, undefined);
});

test('a session that waits in the store while its gateway is restarted has its id, and loses it to one that comes anew', async (t) => {
  const { hub, one, two } = await startTwo(t);
  const { welcome } = await connectResumable(t, `${one.url}/anna`);
  await one.manager.close();
  assert.deepEqual([claimOf(hub)?.state, claimOf(hub)?.pipe], ['parked', welcome.pipe]);
  const newer = await connect(t, `${two.url}/anna`);
  assert.equal((await newer.ask('hello')).text, 'a:hello');
  assert.equal(hub.get(pipeKey(welcome.pipe)!), null);
  assert.notEqual(claimOf(hub)?.pipe, welcome.pipe);
});

test('nobody else gets the id of a session that waits in the store, and its client finds it there', async (t) => {
  const authenticate: ClusterOptions['authenticate'] = ({ headers }) => ({ id: String(headers['x-user']) });
  const { hub, one, two } = await startTwo(t, { authenticate });
  const own = { headers: { 'x-user': 'user-1' } };
  const { welcome } = await connectResumable(t, `${one.url}/anna`, own);
  await one.manager.close();
  const refusal = await connectRefused(t, `${two.url}/anna`, { headers: { 'x-user': 'user-2' } });
  assert.equal(refusal.status, 409);
  const { pipe, token } = welcome;
  const back = await connectResumable(t, `${two.url}/anna`, { ...own, resume: { pipe, token, received: 0 } });
  assert.equal(back.welcome.resumed, true);
  await until(() => claimOf(hub)?.state === 'held');
  assert.ok(!JSON.stringify(claimOf(hub)).includes('user-1'), 'who it is, is in the store as a hash only');
});
