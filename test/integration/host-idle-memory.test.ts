/** What an idle pipe costs: a gateway in a process of its own, its memory after garbage collection with and without 2,000 pipes. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startRawBackend } from '../support/raw-backend.ts';
import { connectRaw, type RawClient } from '../support/raw-client.ts';
import { deferred, withTimeout } from '../support/wait.ts';

const pipes = 2000;
const mostBytes = 20 * 1024;

interface Memory {
  readonly rss: number;
  readonly heapUsed: number;
  readonly external: number;
}

function gatewayProcess(backendUrl: string): ChildProcess {
  const index = new URL('../../src/index.ts', import.meta.url).href;
  const script = `
    import Fastify from 'fastify';
    import holdfast from ${JSON.stringify(index)};
    const app = Fastify();
    await app.register(holdfast, { admin: false, backends: [${JSON.stringify(backendUrl)}], heartbeat: { client: { intervalMs: 5000 }, backend: { intervalMs: 5000 } } });
    await app.listen({ port: 0, host: '127.0.0.1' });
    process.on('message', () => {
      // Several times: what the first round frees lets the next one free more.
      for (let i = 0; i < 6; i += 1) globalThis.gc();
      setImmediate(() => {
        globalThis.gc();
        process.send({ memory: process.memoryUsage(), pipes: app.pipeManager.size });
      });
    });
    process.send({ port: app.server.address().port });
  `;
  const cwd = fileURLToPath(new URL('../..', import.meta.url));
  const flags = ['--expose-gc', '--import', 'tsx', '--input-type=module', '--eval', script];
  return spawn(process.execPath, flags, { cwd, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
}

test(`${pipes} idle pipes cost under 20 KiB each`, { timeout: 90_000 }, async (t) => {
  const backend = await startRawBackend(t, {
    autoPong: true,
    autoClose: true,
    onConnection: (connection) => void connection.accept(),
  });
  const child = gatewayProcess(backend.url);
  t.after(() => child.kill('SIGKILL'));
  const ask = async <T>(send: boolean): Promise<T> => {
    const answer = deferred<T>();
    child.once('message', (message) => answer.resolve(message as T));
    if (send) child.send('measure');
    return withTimeout(answer.promise, 20_000, 'the gateway process');
  };
  const { port } = await ask<{ port: number }>(false);

  const open = async (count: number): Promise<RawClient[]> => {
    const clients: RawClient[] = [];
    for (let left = count; left > 0; left -= 100)
      clients.push(
        ...(await Promise.all(
          Array.from({ length: Math.min(100, left) }, () =>
            connectRaw(t, { port, path: '/ws', autoPong: true, autoClose: true }),
          ),
        )),
      );
    return clients;
  };
  // The code is warm and the tables have their size before the first measure.
  const warm = await open(200);
  for (const client of warm) client.destroy();
  let before: { memory: Memory; pipes: number };
  do before = await ask<{ memory: Memory; pipes: number }>(true);
  while (before.pipes > 0);
  const clients = await open(pipes);
  // One message each way: an idle pipe is one that has worked.
  for (const client of clients) void client.sendText('hello');
  for (const connection of backend.connections.all.slice(-pipes))
    void connection.nextMessage().then(() => connection.sendText('hi'));
  for (const client of clients) await client.nextMessage();
  const after = await ask<{ memory: Memory; pipes: number }>(true);
  assert.equal(after.pipes, pipes);
  const each = (name: keyof Memory) => Math.round((after.memory[name] - before.memory[name]) / pipes);
  const heap = each('heapUsed') + each('external');
  t.diagnostic(`per idle pipe: heap and external ${heap} bytes, RSS ${each('rss')} bytes`);
  assert.ok(heap < mostBytes, `${heap} bytes of heap and external memory`);
  // RSS is told and not judged: what V8 keeps of its young generation in between differs from version to version by more than a pipe costs.
});
