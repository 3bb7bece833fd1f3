/** A client gives an attempt up that is slow at one gateway, and comes back to another one: what it gave up must not take its session. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { WebSocket } from 'ws';
import { HoldfastSocket } from '../../src/client/index.ts';
import { pipeKey } from '../../src/cluster/keys.ts';
import { MemoryHub, MemoryStore } from '../../src/cluster/memory-store.ts';
import type { Handovers } from '../../src/gateways/handovers.ts';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startGateway, type TestGatewayOptions } from '../support/gateway.ts';
import { connectResumable } from '../support/resume-client.ts';
import { UnsteadyStore } from '../support/unsteady-store.ts';
import { until } from '../support/wait.ts';

async function startTwo(t: TestContext, options: TestGatewayOptions = {}) {
  const backend = await startBackend(t, { echo: true });
  const hub = new MemoryHub();
  const slow = new UnsteadyStore(hub);
  const start = (store: MemoryStore) =>
    startGateway(t, {
      backends: [backend.url],
      drain: { quietMs: 50, tailMs: 400 },
      cluster: { store, beatMs: 100, memberTtlMs: 10_000 },
      ...options,
    });
  const one = await start(new MemoryStore(hub));
  const two = await start(slow);
  await until(() => two.manager.clusterState?.()?.gateways === 2, { what: 'two gateways' });
  return { hub, slow, one, two };
}

test('the library stays open where an attempt it gave up reaches another gateway late', async (t) => {
  const { hub, slow, one, two } = await startTwo(t);
  const urls = [one.url, two.url, one.url];
  const states: string[] = [];
  const socket = new HoldfastSocket(() => urls.shift() ?? one.url, [], {
    WebSocket: WebSocket as never,
    connectTimeoutMs: 500,
    minBackoffMs: 20,
    maxBackoffMs: 50,
  });
  t.after(() => socket.close());
  socket.addEventListener('state', ({ detail }) => states.push(`${detail.state} ${detail.reason} ${detail.code}`));
  const opened = (times: number) => () => states.filter((state) => state.startsWith('open')).length === times;
  await until(opened(1), { what: () => `an open socket: ${states.join()}` });
  await until(() => hub.get(pipeKey(socket.pipe)!) !== null, { what: 'the record of the pipe' });
  const fetch = t.mock.method(two.manager.claims as Handovers, 'fetch');
  slow.hold('get');
  one.manager.findPipe(socket.pipe)!.client!.link.terminate();
  await until(opened(2), { what: () => `an open socket again: ${states.join()}` });
  const [call] = fetch.mock.calls;
  slow.release();
  assert.deepEqual(await call?.result, { kind: 'none', reason: 'superseded' });
  const answer = new Promise((resolve) => socket.addEventListener('message', ({ data }) => resolve(data)));
  socket.send('still here');
  assert.equal(await answer, 'still here');
  assert.ok(opened(2)(), states.join());
});

test('a late start at another gateway is closed with 4408, told as superseded, and the newer one notices nothing', async (t) => {
  const { one, two } = await startTwo(t);
  const first = await connectResumable(t, one.url);
  const { pipe, token } = first.welcome;
  const resume = { pipe, token, received: 0 };
  const late = await connect(t, two.url, { protocols: ['holdfast.v1'] });
  const newer = await connectResumable(t, one.url, { resume: { ...resume, attempt: 2 } });
  late.send(`\u001e${JSON.stringify({ type: 'start', resume: { ...resume, attempt: 1 } })}`);
  assert.equal((await late.waitClosed()).code, 4408);
  assert.equal((await two.waitFor('client.resume-refused')).reason, 'superseded');
  newer.send('here');
  await newer.text('here');
  // The number goes with the session.
  const there = await connectResumable(t, two.url, {
    resume: { pipe, token: newer.welcome.token, received: 1, attempt: 3 },
  });
  assert.equal(there.welcome.resumed, true);
  const later = await connect(t, two.url, { protocols: ['holdfast.v1'] });
  later.send(
    `\u001e${JSON.stringify({ type: 'start', resume: { ...resume, token: newer.welcome.token, attempt: 2 } })}`,
  );
  assert.equal((await later.waitClosed()).code, 4408);
  there.send('there');
  await there.text('there');
});

test('nor does a start take the client id from its own client, however old its token is', async (t) => {
  const { one, two } = await startTwo(t, { path: '/ws/:clientId', onDuplicateClient: 'replace' });
  const first = await connectResumable(t, `${one.url}/anna`);
  const { pipe, token } = first.welcome;
  const late = await connect(t, `${one.url}/anna`, { protocols: ['holdfast.v1'] });
  let present = first;
  for (const [attempt, { url }] of [one, two, one].entries()) {
    const resume = { pipe, token: present.welcome.token, received: attempt, attempt: attempt + 2 };
    present = await connectResumable(t, `${url}/anna`, { resume });
    present.send(`at ${attempt}`);
    await present.text(`at ${attempt}`);
  }
  late.send(`\u001e${JSON.stringify({ type: 'start', resume: { pipe, token, received: 0, attempt: 1 } })}`);
  assert.equal((await late.waitClosed()).code, 4408);
  present.send('still here');
  await present.text('still here');
});
