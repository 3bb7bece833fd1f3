/** The network goes away: with and without the browser's knowledge, with and without anybody being told. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { startGateway } from '../support/gateway.ts';
import { startRelay } from '../support/tcp-relay.ts';
import { sleep } from '../support/wait.ts';
import { openScenario } from './scenario-page.ts';

test('offline and online: a blink is outlived; else the page soon says so, keeps what is said, and comes back', async (t) => {
  const backend = await startBackend(t, { record: true });
  const gateway = await startGateway(t, { allowedOrigins: ['*'], backends: [backend.url] });
  const scenario = await openScenario(t, { url: gateway.url });
  const context = scenario.page.context();
  await scenario.send('before');
  await scenario.received(1);

  // Chromium that is made to be offline keeps the connections that it has, and lets nothing through.
  await context.setOffline(true);
  await context.setOffline(false);
  await scenario.waitFor('heartbeat');
  assert.deepEqual(await scenario.states(), ['open']);

  const cutAt = performance.now();
  await context.setOffline(true);
  await scenario.says(/^You are offline/);
  const noticedMs = performance.now() - cutAt;
  assert.ok(await scenario.send('offline'));
  await scenario.shot('offline');
  await context.setOffline(false);
  const onlineAt = performance.now();
  await scenario.says(/^Connected$/);
  const backMs = performance.now() - onlineAt;
  assert.deepEqual(await scenario.received(2), ['before', 'offline']);
  assert.deepEqual(backend.receivedTexts(), ['before', 'offline']);
  assert.equal((await scenario.events('resumed')).length, 1);
  assert.deepEqual(await scenario.events('reset'), []);
  assert.equal(gateway.manager.size, 1);
  assert.deepEqual(scenario.problems, []);
  t.diagnostic(`noticed after ${Math.round(noticedMs)} ms, connected ${Math.round(backMs)} ms after online`);
});

test('a network that swallows everything: only the heartbeat notices; afterwards nothing is missing or twice', async (t) => {
  const backend = await startBackend(t, {
    record: true,
    echo: false,
    push: { intervalMs: 20, count: 150, prefix: 'push' },
  });
  const heartbeat = { intervalMs: 200, timeoutMs: 600 };
  const gateway = await startGateway(t, {
    allowedOrigins: ['*'],
    backends: [backend.url],
    heartbeat: { client: { ...heartbeat }, backend: { ...heartbeat } },
  });
  const relay = await startRelay(t, { targetPort: gateway.port });
  const scenario = await openScenario(t, {
    url: `${relay.url}/ws`,
    options: { connectTimeoutMs: 500, maxAttempts: 50 },
  });
  await scenario.stream(1, 100, 10);
  await scenario.received(10);
  relay.partition();
  const cutAt = performance.now();
  await scenario.says(/^Connection lost/);
  const noticedMs = performance.now() - cutAt;
  const lost = (await scenario.events('state')).find(({ state }) => state === 'reconnecting');
  assert.equal(lost?.['reason'], 'silent');
  await scenario.shot('silent');
  await sleep(700);
  relay.heal();
  const messages = await scenario.received(150);
  await scenario.says(/^Connected$/);
  assert.deepEqual(
    messages.map((text) => Number(/#(\d+)\//.exec(text)?.[1])),
    Array.from({ length: 150 }, (_, index) => index + 1),
  );
  assert.deepEqual(
    backend.receivedTexts(),
    Array.from({ length: 100 }, (_, index) => `m ${index + 1}`),
  );
  assert.ok((await scenario.events('resumed')).length >= 1);
  assert.deepEqual(await scenario.events('reset'), []);
  assert.ok(noticedMs < 3000, `noticed after ${noticedMs} ms`);
  t.diagnostic(`noticed after ${Math.round(noticedMs)} ms (timeout 600)`);
});
