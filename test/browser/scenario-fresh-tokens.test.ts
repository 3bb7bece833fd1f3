/** `url` as an async function: the application's own gatekeeper sees a fresh token at each attempt. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { startGateway } from '../support/gateway.ts';
import { startRelay } from '../support/tcp-relay.ts';
import { openScenario } from './scenario-page.ts';

test('each attempt asks for a url; one that is rejected is a failed attempt; tokens are used once', async (t) => {
  const backend = await startBackend(t);
  const used: string[] = [];
  const gateway = await startGateway(t, {
    allowedOrigins: ['*'],
    backends: [backend.url],
    prepare: (app) => {
      app.addHook('onRequest', async (request, reply) => {
        const token = /[?&]token=(\w+)/.exec(request.url)?.[1];
        if (token === undefined || used.includes(token)) return reply.code(401).send();
        used.push(token);
      });
    },
  });
  const relay = await startRelay(t, { targetPort: gateway.port });
  const scenario = await openScenario(t, {
    url: `async () => {
      scene.asked += 1;
      await new Promise((resolve) => setTimeout(resolve, 20));
      if (scene.refuse) throw new Error('no token today');
      return ${JSON.stringify(`${relay.url}/ws?token=t`)} + scene.asked;
    }`,
    urlIsCode: true,
    options: { maxAttempts: 50 },
  });
  await scenario.send('one');
  await scenario.received(1);
  relay.reset();
  await scenario.waitFor('resumed');
  assert.deepEqual(used, ['t1', 't2']);

  await scenario.page.evaluate(() => {
    window.scene.refuse = true;
  });
  relay.reset();
  await scenario.page.waitForFunction(() => window.scene.asked >= 5);
  const failed = (await scenario.events('state')).filter(({ reason }) => reason === 'url');
  assert.ok(failed.length > 0, 'a rejected url is told as such');
  await scenario.page.evaluate(() => {
    window.scene.refuse = false;
  });
  await scenario.waitFor('resumed', 2);
  await scenario.send('two');
  assert.deepEqual(await scenario.received(2), ['one', 'two']);
  assert.equal(new Set(used).size, used.length);
  assert.equal(used.length, 3, used.join());
  assert.deepEqual(await scenario.events('reset'), []);
  assert.deepEqual(scenario.problems, []);
});
