import assert from 'node:assert/strict';
import test from 'node:test';
import { connect } from '../support/client.ts';
import { assertComplete, assertHandedOver, linksOf, onlyPipe, startPair, untilTaken } from './failover-scenario.ts';

test('With all backends down a client waits; when one is back it gets everything at once, in order, without a further send', async (t) => {
  const { a, b, gateway } = await startPair(t);
  const client = await connect(t, gateway.url);
  const pipe = onlyPipe(gateway);
  client.sendNumbered({ count: 5 });
  await client.received.count(5);
  await Promise.all([a.kill(), b.kill()]);
  await gateway.waitFor('pipe.interrupted');
  for (let n = 6; n <= 200; n += 1) client.send(`msg#${n}/0 `);
  await untilTaken(gateway, pipe, 200);
  await gateway.waitFor('backend.attempt-failed', ({ failure }) => failure === 'refused');
  await gateway.waitFor('backend.awaited');
  assert.equal(pipe.state, 'interrupted');
  const back = await b.restart();
  const backAt = performance.now();
  // The client sends nothing from here on.
  await client.waitFor(({ text }) => text.includes('#200/'), { timeoutMs: 6000 });
  const waitedMs = performance.now() - backAt;
  const restored = await gateway.waitFor('pipe.restored');
  assertHandedOver([...linksOf(pipe.id, a), ...linksOf(pipe.id, back)], 200);
  assertComplete(
    client.texts.map((text) => Number(/#(\d+)\//.exec(text)?.[1])),
    200,
    'answers',
  );
  assert.equal(client.closeInfo, undefined);
  // The longest backoff is 2 s.
  assert.ok(waitedMs < 2700, `flushed ${waitedMs} ms after it was back`);
  const dials = gateway.eventsOf('backend.attempt').length;
  t.diagnostic(
    `flushed ${waitedMs.toFixed(0)} ms after it was back, gap ${restored.gapMs.toFixed(0)} ms, ${dials} dials`,
  );
});
