import assert from 'node:assert/strict';
import test from 'node:test';
import { connect } from '../support/client.ts';
import { until } from '../support/wait.ts';
import {
  assertComplete,
  assertHandedOver,
  echoedNumbers,
  linksOf,
  onlyPipe,
  startPair,
  untilTaken,
} from './failover-scenario.ts';

test('A client whose backend is killed goes on with the survivor: nothing lost, order kept, text and binary as they were', async (t) => {
  const { a, b, gateway } = await startPair(t);
  const client = await connect(t, gateway.url);
  const pipe = onlyPipe(gateway);
  const run = client.sendNumbered({ intervalMs: 2, type: 'alternate', bytes: [20, 300, 4000] });
  await until(() => client.messages.length >= 50, { what: 'fifty answers' });
  assert.equal(pipe.backend?.backend.id, 'a');
  await a.kill();
  const restored = await gateway.waitFor('pipe.restored');
  const mark = run.sent;
  await until(() => run.sent >= mark + 50, { what: 'fifty more' });
  run.stop();
  await client.waitFor(({ data }) => data.includes(`#${run.sent}/`));
  const { sent } = run;

  for (const { data, type, text } of client.messages) {
    const n = Number(/#(\d+)\//.exec(text.slice(0, 40))?.[1]);
    assert.equal(type, n % 2 === 0 ? 'binary' : 'text', `message ${n} kept its type`);
    assert.equal(data.length, 2 + Math.max(0, [20, 300, 4000][(n - 1) % 3]!), `message ${n} kept its length`);
  }
  // What the dead one had received and not answered is answered by the survivor; what it had answered may be answered twice.
  assertComplete(echoedNumbers(client), sent, 'answers');
  const twice = linkTypesAndRuns(linksOf(pipe.id, a, b), sent);
  assert.equal(restored.backendId, 'b');
  assert.equal(restored.generation, 2);
  assert.ok(twice <= restored.replayed, `${twice} came twice, ${restored.replayed} were said to be replayed`);
  assert.ok(restored.gapMs < 500, `the gap was ${restored.gapMs} ms`);
  assert.equal(client.closeInfo, undefined);
  t.diagnostic(`gap ${restored.gapMs.toFixed(1)} ms, replayed ${restored.replayed}, of these ${twice} had arrived`);
});

/** Binary messages are recorded by their hash only, so texts stand for the run: every second number. */
function linkTypesAndRuns(links: ReturnType<typeof linksOf>, sent: number): number {
  const counts = links.map(({ messages }) => messages.length);
  const twice = counts.reduce((sum, count) => sum + count, 0) - sent;
  assert.ok(twice >= 0, `${-twice} messages never reached a backend`);
  for (const { messages } of links) {
    for (const [index, { type }] of messages.entries()) {
      if (index > 0) assert.notEqual(type, messages[index - 1]!.type, 'text and binary take turns');
    }
  }
  assert.ok(twice <= Number(links[1]?.headers['holdfast-replay']), 'no more twice than was told');
  return twice;
}

test('What a killed backend received and did not acknowledge is sent again, and the next backend is told how much', async (t) => {
  const { a, b, gateway } = await startPair(t, {}, { echo: false });
  const client = await connect(t, gateway.url);
  const pipe = onlyPipe(gateway);
  // Frozen: it acknowledges nothing any more, but its kernel takes what is sent.
  await a.freeze();
  const { sent } = client.sendNumbered({ count: 40 });
  await untilTaken(gateway, pipe, sent);
  await a.kill();
  await gateway.waitFor('pipe.restored');
  await until(() => linksOf(pipe.id, b)[0]?.messages.length === sent, { what: 'all at the survivor' });
  assertHandedOver(linksOf(pipe.id, a, b), sent);
  assert.equal(linksOf(pipe.id, b)[0]?.headers['holdfast-replay'], String(sent));
  assert.equal(linksOf(pipe.id, b)[0]?.headers['holdfast-reason'], 'failover');
});

test('With at-most-once nothing reaches a backend twice when one is killed, and order is kept', async (t) => {
  const { a, b, gateway } = await startPair(t, { delivery: 'at-most-once' });
  const client = await connect(t, gateway.url);
  const pipe = onlyPipe(gateway);
  const run = client.sendNumbered({ intervalMs: 2 });
  await until(() => client.messages.length >= 50, { what: 'fifty answers' });
  await a.kill();
  const restored = await gateway.waitFor('pipe.restored');
  const mark = run.sent;
  await until(() => run.sent >= mark + 50, { what: 'fifty more' });
  run.stop();
  await client.waitFor(({ data }) => data.includes(`#${run.sent}/`));
  const numbers = linksOf(pipe.id, a, b).flatMap(({ messages }) =>
    messages.flatMap(({ text }) => Number(/#(\d+)\//.exec(text ?? '')?.[1])),
  );
  for (const [index, n] of numbers.entries()) {
    if (index > 0) assert.ok(n > numbers[index - 1]!, `${n} after ${numbers[index - 1]}`);
  }
  assert.equal(restored.replayed, 0);
  assert.equal(linksOf(pipe.id, b)[0]?.headers['holdfast-replay'], '0');
  t.diagnostic(`gap ${restored.gapMs.toFixed(1)} ms, lost ${run.sent - numbers.length} of ${run.sent}`);
});
