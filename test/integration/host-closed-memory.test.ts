/** What a connection leaves to V8's old generation when it is over: a gateway in a process of its own, collecting only its young generation. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startBackend } from '../support/backend-process.ts';
import { connectRaw } from '../support/raw-client.ts';
import { deferred, withTimeout } from '../support/wait.ts';

/** It takes 3.4 KB in Node 20, and 6 in Node 24. Tables that lead to what was in them, or a hidden class for each object, make it 7 to 21 in Node 20. */
const mostBytes = process.versions.node.startsWith('20.') ? 5_500 : 9_000;
const together = 4;
const warmRounds = 80;
const rounds = 100;

interface State {
  readonly pipes: number;
  readonly oldBytes: number;
}

test('a connection that is over leaves little that outlives a collection of the young generation', {
  timeout: 90_000,
}, async (t) => {
  const backend = await startBackend(t);
  const index = new URL('../../src/index.ts', import.meta.url).href;
  const script = `
    import { getHeapSpaceStatistics } from 'node:v8';
    import Fastify from 'fastify';
    import holdfast from ${JSON.stringify(index)};
    const app = Fastify();
    await app.register(holdfast, { admin: false, backends: [${JSON.stringify(backend.url)}] });
    await app.listen({ port: 0, host: '127.0.0.1' });
    process.on('message', () => {
      const pipes = app.pipeManager.size;
      if (pipes === 0) globalThis.gc({ type: 'minor' });
      const { space_used_size: oldBytes } = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'old_space');
      process.send({ pipes, oldBytes });
    });
    process.send({ port: app.server.address().port });
  `;
  const child = spawn(
    process.execPath,
    ['--expose-gc', '--no-allocation-site-pretenuring', '--import', 'tsx', '--input-type=module', '--eval', script],
    { cwd: fileURLToPath(new URL('../..', import.meta.url)), stdio: ['ignore', 'inherit', 'inherit', 'ipc'] },
  );
  t.after(() => child.kill('SIGKILL'));
  const answer = async <T>(): Promise<T> => {
    const next = deferred<T>();
    child.once('message', (message) => next.resolve(message as T));
    return withTimeout(next.promise, 20_000, 'the gateway process');
  };
  const { port } = await answer<{ port: number }>();

  const comeAndGo = async (times: number): Promise<number> => {
    let state: State = { pipes: 0, oldBytes: 0 };
    for (let round = 0; round < times; round += 1) {
      const clients = await Promise.all(Array.from({ length: together }, () => connectRaw(t, { port, path: '/ws' })));
      for (const client of clients) client.destroy();
      do {
        child.send('collect');
        state = await answer<State>();
      } while (state.pipes > 0);
    }
    return state.oldBytes;
  };
  const before = await comeAndGo(warmRounds);
  const each = Math.round(((await comeAndGo(rounds)) - before) / (rounds * together));
  t.diagnostic(`${each} bytes of each connection outlived it`);
  assert.ok(each < mostBytes, `${each} bytes of each connection outlived it`);
});
