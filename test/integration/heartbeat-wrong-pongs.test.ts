import assert from 'node:assert/strict';
import test from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { startRawBackend } from '../support/raw-backend.ts';
import { connectRaw } from '../support/raw-client.ts';
import type { RawLink } from '../support/raw-link.ts';
import { until } from '../support/wait.ts';
import { onlyPipe } from './failover-scenario.ts';
import { assertNobodyJudged, moreAnswers } from './heartbeat-scenario.ts';

const heartbeat = { client: { intervalMs: 200 }, backend: { intervalMs: 200 } };
interface View {
  readonly client: { readonly rttMs: number | null };
  readonly backend: { readonly rttMs: number | null };
}

const pingsOf = (link: RawLink) => link.frames.all.filter(({ opcode }) => opcode === 9).map(({ payload }) => payload);

/** Pongs that answer no ping of ours, each made from the last one that was sent. */
const wrong: readonly ((last: Buffer) => Buffer)[] = [
  () => Buffer.alloc(0),
  () => Buffer.from('hello'),
  () => Buffer.alloc(125, 7),
  (last) => Buffer.concat([last, Buffer.alloc(1)]),
  (last) => last.subarray(0, 7),
  // The number of a ping that was never sent: one ahead, and far off.
  (last) => Buffer.concat([last.subarray(0, 4), Buffer.from([0, 0, 255, 255])]),
  (last) => Buffer.concat([last.subarray(0, 4), Buffer.alloc(4)]),
];

test('Pongs nobody asked for and wrong ones are no answer of the client, but are bytes: it stays', async (t) => {
  const gateway = await startGateway(t, { heartbeat });
  const backend = await startBackend(t, { record: true });
  gateway.manager.registerBackend({ id: 'a', url: backend.url });
  const client = await connectRaw(t, { port: gateway.port, path: '/ws' });
  await until(() => pingsOf(client).length > 0, { what: 'a ping' });
  let n = 0;
  const timer = setInterval(() => void client.pong(wrong[n++ % wrong.length]!(pingsOf(client).at(-1)!)), 40);
  t.after(() => clearInterval(timer));
  await moreAnswers(gateway, 'backend', 12);
  assert.ok(n >= wrong.length * 2);
  assert.equal(gateway.eventsOf('heartbeat.pong').filter(({ hop }) => hop === 'client').length, 0);
  const view = async () => (await gateway.admin('GET', `/pipes/${onlyPipe(gateway).id}`)).body as View;
  assert.equal((await view()).client.rttMs, null);
  assertNobodyJudged(gateway);
  assert.deepEqual(backend.received()[0]!.pongs, [], 'none is passed on');

  // The right one, once.
  clearInterval(timer);
  const last = pingsOf(client).at(-1)!;
  await client.pong(last);
  await client.pong(last);
  await gateway.waitFor('heartbeat.pong', ({ hop }) => hop === 'client');
  await client.ping('mark');
  await client.frames.waitFor(({ opcode, text }) => opcode === 10 && text === 'mark');
  assert.equal(gateway.eventsOf('heartbeat.pong').filter(({ hop }) => hop === 'client').length, 1);
  assert.notEqual((await view()).client.rttMs, null);
});

test('The same of a backend: wrong pongs acknowledge nothing, and it stays', async (t) => {
  const gateway = await startGateway(t, { heartbeat });
  const mute = await startRawBackend(t, { onConnection: (connection) => void connection.accept() });
  gateway.manager.registerBackend({ id: 'mute', url: mute.url });
  const client = await connect(t, gateway.url);
  const connection = await mute.nextConnection();
  client.send('kept');
  await until(() => pingsOf(connection).length > 0, { what: 'a ping' });
  let n = 0;
  const timer = setInterval(() => void connection.pong(wrong[n++ % wrong.length]!(pingsOf(connection).at(-1)!)), 40);
  t.after(() => clearInterval(timer));
  await moreAnswers(gateway, 'client', 12);
  assert.ok(n >= wrong.length * 2);
  assert.equal(gateway.eventsOf('heartbeat.pong').filter(({ hop }) => hop === 'backend').length, 0);
  const { body } = await gateway.admin('GET', `/pipes/${onlyPipe(gateway).id}`);
  assert.equal((body as View).backend.rttMs, null);
  assertNobodyJudged(gateway);
});
