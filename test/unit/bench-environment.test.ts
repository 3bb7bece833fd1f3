import assert from 'node:assert/strict';
import { test } from 'node:test';
import { External } from '../../bench/peers/external.ts';

test('what a bench starts has its settings from the bench alone, not from whoever runs it', async (t) => {
  process.env['HOLDFAST_DELIVERY'] = 'at-most-once';
  t.after(() => delete process.env['HOLDFAST_DELIVERY']);
  const tell = 'const { env } = process; console.log(env.HOLDFAST_DELIVERY, env.HOLDFAST_PORT, 1)';
  const child = new External('a child', [process.execPath, '-e', tell], { HOLDFAST_PORT: '7' });
  t.after(() => child.kill());
  const [, delivery, port] = await child.line(/(\S+) (\S+) 1/);
  assert.deepEqual([delivery, port], ['undefined', '7']);
});
