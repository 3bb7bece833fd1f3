import assert from 'node:assert/strict';
import test from 'node:test';
import { connect } from '../support/client.ts';
import { until } from '../support/wait.ts';
import {
  assertComplete,
  assertHandedOver,
  assertNothingLeft,
  echoedNumbers,
  linksOf,
  onlyPipe,
  startPair,
} from './failover-scenario.ts';

test('POST /pipes/:id/interrupt rehearses a failover: another backend, nothing lost, nothing late from the old one', async (t) => {
  const { a, b, gateway } = await startPair(t, {}, { push: { intervalMs: 2 } });
  const client = await connect(t, gateway.url);
  const pipe = onlyPipe(gateway);
  const run = client.sendNumbered({ intervalMs: 3 });
  await until(() => client.messages.length >= 60);
  const { status, body } = await gateway.admin('POST', `/pipes/${pipe.id}/interrupt`);
  assert.equal(status, 202);
  assert.equal((body as { id: string }).id, pipe.id);
  const restored = await gateway.waitFor('pipe.restored');
  assert.equal(restored.backendId, 'b');
  assert.equal(gateway.eventsOf('pipe.interrupted')[0]?.reason, 'operator');
  const mark = run.sent;
  await until(() => run.sent >= mark + 30);
  run.stop();
  await client.waitFor(({ text }) => text.startsWith(`b:msg#${run.sent}/`));
  assertComplete(
    client.numbered.filter(({ prefix }) => prefix === 'msg').map(({ n }) => n),
    run.sent,
    'answers',
  );
  assertHandedOver(linksOf(pipe.id, a, b), run.sent);
  const pushes = client.numbered.filter(({ prefix }) => prefix === 'push').map(({ n }) => n);
  const restart = pushes.indexOf(1, 1);
  assert.ok(restart > 0);
  assert.deepEqual(
    pushes,
    pushes.map((_, index) => (index < restart ? index + 1 : index - restart + 1)),
    'the old one, then the new one, not mixed',
  );
  assert.equal(gateway.eventsOf('backend.failed').length, 0, 'it is not held against the backend');
  assert.ok(echoedNumbers(client).length > 0);
});

test('Interrupting a pipe that has no backend is a 409, an unknown one a 404', async (t) => {
  const { a, b, gateway } = await startPair(t);
  const client = await connect(t, gateway.url);
  const pipe = onlyPipe(gateway);
  await Promise.all([a.kill(), b.kill()]);
  await gateway.waitFor('pipe.interrupted');
  const { status, body } = await gateway.admin('POST', `/pipes/${pipe.id}/interrupt`);
  assert.equal(status, 409);
  assert.equal((body as { code: string }).code, 'HOLDFAST_ERR_PIPE_NOT_ATTACHED');
  assert.equal((await gateway.admin('POST', '/pipes/unknown/interrupt')).status, 404);
  assert.equal((await gateway.admin('DELETE', '/pipes/unknown')).status, 404);
  client.terminate();
});

test('DELETE /pipes/:id closes one client, after its messages were brought to the backend, and no other', async (t) => {
  const { a, b, gateway } = await startPair(t);
  const [client, other] = [await connect(t, gateway.url), await connect(t, gateway.url)];
  const [pipe] = gateway.manager;
  const { sent } = client.sendNumbered({ count: 20 });
  await client.received.count(1);
  assert.equal((await gateway.admin('DELETE', `/pipes/${pipe!.id}`)).status, 204);
  assert.equal((await client.waitClosed()).code, 1000);
  const closed = await gateway.waitFor('pipe.closed');
  assert.deepEqual([closed.reason, closed.initiator, closed.undelivered], ['operator', 'gateway', 0]);
  assertHandedOver(linksOf(pipe!.id, a, b), sent);
  assert.equal((await other.ask('hello')).text, 'b:hello');
  other.close(1000);
  await assertNothingLeft(gateway);
});
