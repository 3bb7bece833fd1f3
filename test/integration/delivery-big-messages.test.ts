import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import test from 'node:test';
import { connect } from '../support/client.ts';
import { numberedText } from '../support/numbered.ts';
import { until } from '../support/wait.ts';
import { assertComplete, echoedNumbers, linksOf, onlyPipe, startPair } from './failover-scenario.ts';

const MiB = 1024 * 1024;

test('Messages of 1 MiB cross a failover whole, text and binary, in order', async (t) => {
  const { a, b, gateway } = await startPair(t, { buffer: { onFull: 'pause' } });
  const client = await connect(t, gateway.url);
  const pipe = onlyPipe(gateway);
  const run = client.sendNumbered({ intervalMs: 20, count: 30, bytes: MiB, type: 'alternate' });
  await until(() => client.messages.length >= 5, { what: 'five answers' });
  await a.kill();
  const restored = await gateway.waitFor('pipe.restored');
  await run.done;
  await client.waitFor(({ data }) => data.subarray(0, 20).toString().includes('#30/'), { timeoutMs: 10_000 });
  assertComplete(echoedNumbers(client), 30, 'answers');
  for (const { n, whole, bytes } of client.numbered) {
    assert.ok(whole && bytes === MiB, `answer ${n} is whole`);
  }
  for (const { data, type } of client.messages) {
    const n = Number(/#(\d+)\//.exec(data.subarray(0, 20).toString())?.[1]);
    assert.equal(type, n % 2 === 0 ? 'binary' : 'text');
  }
  const hashOf = new Map<string, number>();
  for (let n = 1; n <= 30; n += 1) hashOf.set(createHash('sha1').update(numberedText(n, MiB)).digest('hex'), n);
  const links = linksOf(pipe.id, a, b);
  const arrived = links.flatMap(({ messages }) => messages.map(({ sha1 }) => hashOf.get(sha1 ?? '') ?? 0));
  assertComplete(arrived, 30, 'messages at the backends');
  assert.ok(arrived.length - 30 <= restored.replayed);
  t.diagnostic(`gap ${restored.gapMs.toFixed(1)} ms, replayed ${restored.replayed}, twice ${arrived.length - 30}`);
});
