/** SIGTERM of a gateway, and its Redis fails while it hands its sessions over: it ends in time, and every client is told what it has lost. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import type { HoldfastOptions } from '../../src/options.ts';
import { startBackend } from '../support/backend-process.ts';
import { startGatewayProcess } from '../support/cluster-process.ts';
import { needDebianPackages } from '../support/debian-packages.ts';
import { audit, numberedText, readNumbered } from '../support/numbered.ts';
import { startRedis } from '../support/redis-server.ts';
import { ResumingClient } from '../support/resuming-client.ts';
import { startRelay } from '../support/tcp-relay.ts';
import { until, withTimeout } from '../support/wait.ts';

const clientCount = 20;
const spreadMs = 1000;
const handshakeMs = 1000;
const tailMs = 500;
/** A store that is frozen adds its own time limits, of 1 s each; for one that is gone nobody waits, nor for the end of all patience. */
const mostMs = {
  frozen: spreadMs + handshakeMs + 2 * tailMs + 5000,
  killed: spreadMs + handshakeMs + 2 * tailMs - 500,
};

for (const how of ['frozen', 'killed'] as const)
  test(`Redis is ${how} in the middle of the hand-overs`, async (t) => {
    needDebianPackages(t, 'redis-server');
    let redis = await startRedis(t);
    const backend = await startBackend(t, { tag: 'a', record: true });
    const options: HoldfastOptions = {
      backends: [backend.url],
      path: '/ws/:clientId',
      drain: { quietMs: 50, tailMs },
      shutdown: { spreadMs },
      closing: { handshakeMs, lingerMs: 2000 },
      admin: false,
      cluster: { beatMs: 100, memberTtlMs: 1000 },
    };
    const [ending, next] = await Promise.all([1, 2].map(() => startGatewayProcess(t, redis.url, options)));
    const relay = await startRelay(t, { targetPort: ending!.port });
    const clients = Array.from(
      { length: clientCount },
      (_, n) => new ResumingClient(t, `ws://127.0.0.1:${relay.port}/ws/client-${n}`, { timeoutMs: 5000 }),
    );
    await Promise.all(clients.map((client) => client.opened()));
    const pipes = clients.map(({ pipe }) => pipe);
    let sent = 0;
    const sending = setInterval(() => {
      sent += 1;
      for (const [n, client] of clients.entries()) client.send(numberedText(sent, 100, `c${n}`));
    }, 10);
    t.after(() => clearInterval(sending));
    await until(() => clients.every(({ texts }) => texts.length > 10), { what: '10 answers each' });

    relay.retarget(next!.port);
    const exited = once(ending!.child, 'exit');
    const from = performance.now();
    ending!.child.kill('SIGTERM');
    // Some are parked, some on their way, and some have not begun.
    await until(() => clients.filter(({ resumes }) => resumes > 0).length >= 5, { what: 'five sessions that go on' });
    if (how === 'frozen') await redis.freeze();
    else await redis.kill();
    const [code] = (await withTimeout(exited, 20_000, 'the gateway to end')) as [number | null];
    const tookMs = performance.now() - from;
    assert.equal(code, 0);
    assert.ok(tookMs < mostMs[how], `it took ${Math.round(tookMs)} ms`);
    assert.ok(
      clients.every(({ controls }) => controls.includes('goaway')),
      'everyone was told to go',
    );
    assert.deepEqual(
      clients.map(({ codes }) => codes[0]),
      clients.map(() => 1012),
    );
    await until(() => clients.every(({ isOpen }) => isOpen), { timeoutMs: 15_000, what: 'all clients at the next' });

    if (how === 'frozen') redis.thaw();
    else redis = await redis.restartEmpty(t);
    clearInterval(sending);
    await Promise.all(clients.map((client) => client.delivered()));
    const arrived = backend.receivedTexts().flatMap((text) => readNumbered(text) ?? []);
    let goneOn = 0;
    for (const [n, client] of clients.entries()) {
      const numbers = arrived.flatMap(({ prefix, n: number }) => (prefix === `c${n}` ? [number] : []));
      const { missing, duplicated } = audit(numbers, sent);
      assert.deepEqual(missing, [], `lost of client ${n}`);
      if (client.pipe === pipes[n]) {
        goneOn += 1;
        assert.deepEqual([client.lost, duplicated], [[], []], `client ${n} kept its session`);
      } else {
        // Once for its session, and more only where a new one was cut off in turn.
        assert.equal(client.lost[0]?.pipe, pipes[n], `client ${n} was told that its session is over`);
        const resent = client.lost.reduce((sum, one) => sum + one.resent, 0);
        assert.ok(duplicated.length <= resent, `${duplicated.length} twice, ${resent} sent again`);
      }
    }
    assert.ok(goneOn > 0 && goneOn < clientCount, `${goneOn} of ${clientCount} sessions went on`);
    t.diagnostic(`ended after ${Math.round(tookMs)} ms; ${goneOn} sessions went on, ${clientCount - goneOn} were told`);
  });
