/** A worker whose process could not be made, as where Node's own file is gone: it ends once, and what is done to it meets nobody else. */
import assert from 'node:assert/strict';
import cluster from 'node:cluster';
import { once } from 'node:events';
import { test } from 'node:test';
import type { CommandSettings } from '../../src/config.ts';
import { Member } from '../../src/workers/member.ts';

test('it is told once, whatever fails about it later, and to kill it is no signal', async (t) => {
  const node = process.execPath;
  t.after(() => {
    process.execPath = node;
  });
  process.execPath = '/nonexistent';
  cluster.setupPrimary({ exec: 'worker.js' });
  const heard: (string | undefined)[] = [];
  const gone = ({ failure }: { failure: { line: string } | null }) => heard.push(failure?.line);
  const member = new Member(1, {} as CommandSettings, { said: () => {}, gone });
  const worker = Object.values(cluster.workers ?? {})[0]!;
  // The real one would reach the process group of this test.
  const kill = t.mock.method(worker.process, 'kill', () => true);
  member.kill();
  await member.ended;
  const another = once(worker.process, 'error');
  worker.send('not heard');
  await another;
  assert.deepEqual(heard, ['no process could be made: spawn /nonexistent ENOENT']);
  assert.equal(kill.mock.callCount(), 0);
});
