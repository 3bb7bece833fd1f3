import assert from 'node:assert/strict';
import test from 'node:test';
import { connect } from '../support/client.ts';
import { until } from '../support/wait.ts';
import { assertComplete, assertHandedOver, echoedNumbers, linksOf, onlyPipe, startPair } from './failover-scenario.ts';

const heartbeat = { backend: { intervalMs: 200, timeoutMs: 600 } };

test('A frozen backend is found by its heartbeat, nothing is lost, and what it says once thawed does not reach the client', async (t) => {
  const { a, b, gateway } = await startPair(t, { heartbeat });
  const client = await connect(t, gateway.url);
  const pipe = onlyPipe(gateway);
  const run = client.sendNumbered({ intervalMs: 10 });
  await until(() => client.messages.length >= 20, { what: 'twenty answers' });
  await a.freeze();
  const frozenAt = performance.now();
  const interrupted = await gateway.waitFor('pipe.interrupted');
  const foundMs = performance.now() - frozenAt;
  const restored = await gateway.waitFor('pipe.restored');
  assert.equal(interrupted.reason, 'heartbeat-timeout');
  assert.equal(interrupted.backendId, 'a');
  assert.ok(foundMs >= 400 && foundMs < 1500, `found after ${foundMs} ms`);
  await client.waitFor(({ text }) => text.startsWith('b:'));

  const mark = run.sent;
  a.thaw();
  // It runs again when it has noticed that its connection is gone.
  await until(() => linksOf(pipe.id, a)[0]?.closed !== undefined, { what: 'the thawed backend to see the end' });
  await until(() => run.sent >= mark + 20, { what: 'more messages' });
  run.stop();
  const { sent } = run;
  await client.waitFor(({ text }) => text.startsWith(`b:msg#${sent}/`));
  assertComplete(echoedNumbers(client), sent, 'answers');
  assertHandedOver(linksOf(pipe.id, a, b), sent);
  const lastOfA = client.texts.findLastIndex((text) => text.startsWith('a:'));
  const firstOfB = client.texts.findIndex((text) => text.startsWith('b:'));
  assert.ok(lastOfA < firstOfB, 'nothing of the old backend after the first answer of the new one');
  assert.equal(client.closeInfo, undefined);
  t.diagnostic(
    `found after ${foundMs.toFixed(0)} ms, gap ${restored.gapMs.toFixed(1)} ms, replayed ${restored.replayed}`,
  );
});

test('A backend that froze before a client came costs one dial time-out, not the client', async (t) => {
  const { a, b, gateway } = await startPair(t, {
    heartbeat,
    failover: { handshakeWaitMs: 100 },
    pool: { balancing: 'round-robin', dialTimeoutMs: 500 },
  });
  await a.freeze();
  // The kernel still accepts, so the first dial times out; the upgrade does not wait for it.
  const client = await connect(t, gateway.url);
  const { sent } = client.sendNumbered({ count: 10 });
  await client.waitFor(({ text }) => text.startsWith(`b:msg#${sent}/`), { timeoutMs: 8000 });
  assertComplete(echoedNumbers(client), sent, 'answers');
  assert.equal(linksOf(onlyPipe(gateway).id, b)[0]?.messages.length, sent);
  assert.equal(gateway.eventsOf('backend.attempt-failed')[0]?.failure, 'timeout');
});
