/** 1,000 numbered messages in each direction, over a connection that is cut 20 times at random moments. */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { startGateway } from '../support/gateway.ts';
import { audit } from '../support/numbered.ts';
import { startRelay } from '../support/tcp-relay.ts';
import { sleep, until } from '../support/wait.ts';
import { openScenario } from './scenario-page.ts';

const total = 1000;
const cuts = 20;

test('1,000 messages both ways over 20 random cuts: none lost, none twice, in order', async (t) => {
  const backend = await startBackend(t, {
    record: true,
    echo: false,
    push: { intervalMs: 5, count: total, bytes: [0, 300, 4000], prefix: 'push' },
  });
  const gateway = await startGateway(t, { allowedOrigins: ['*'], backends: [backend.url] });
  const relay = await startRelay(t, { targetPort: gateway.port });
  const scenario = await openScenario(t, {
    url: `${relay.url}/ws`,
    options: { minBackoffMs: 20, maxBackoffMs: 100, maxAttempts: 1000 },
  });
  const startedAt = performance.now();
  await scenario.stream(1, total, 5);
  const waits: number[] = [];
  for (let cut = 0; cut < cuts; cut += 1) {
    const wait = randomInt(400);
    waits.push(wait);
    await sleep(wait);
    // A cut counts where there is a connection.
    await until(() => relay.connections > 0, { what: 'the connection to be there again' });
    relay.reset();
  }
  const messages = await scenario.received(total, 30_000);
  await until(() => backend.receivedTexts().length >= total, {
    timeoutMs: 20_000,
    what: () => `${backend.receivedTexts().length} messages at the backend`,
  });
  // Time for one that would come twice.
  await sleep(300);
  const context = `cuts after ${waits.join(', ')} ms`;
  const down = audit(
    (await scenario.messages()).map((text) => Number(/^push#(\d+)\//.exec(text)?.[1])),
    total,
  );
  const up = audit(
    backend.receivedTexts().map((text) => Number(/^m (\d+)$/.exec(text)?.[1])),
    total,
  );
  const perfect = { received: total, missing: [], duplicated: [], outOfOrder: [] };
  assert.deepEqual(down, perfect, context);
  assert.deepEqual(up, perfect, context);
  assert.equal(messages.length, total);
  const resumed = (await scenario.events('resumed')).length;
  assert.deepEqual(await scenario.events('reset'), []);
  assert.equal(gateway.eventsOf('pipe.opened').length, 1);
  assert.deepEqual(scenario.problems, []);
  t.diagnostic(`${resumed} resumed, ${Math.round(performance.now() - startedAt)} ms`);
});
