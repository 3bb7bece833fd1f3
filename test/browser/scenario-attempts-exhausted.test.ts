/** No attempt is left: the person is told, and their button tries again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { startGateway } from '../support/gateway.ts';
import { startRelay } from '../support/tcp-relay.ts';
import { openScenario } from './scenario-page.ts';

test('attempts exhausted, then the button: the same session goes on', async (t) => {
  const backend = await startBackend(t, { record: true });
  const gateway = await startGateway(t, { allowedOrigins: ['*'], backends: [backend.url] });
  const relay = await startRelay(t, { targetPort: gateway.port });
  const scenario = await openScenario(t, {
    url: `${relay.url}/ws`,
    options: { maxAttempts: 3, maxBackoffMs: 200, minUptimeMs: 0 },
  });
  await scenario.send('before');
  await scenario.received(1);
  await relay.close();
  await scenario.says(/^Could not connect after 3 attempts/);
  await scenario.shot('attempts-exhausted');
  assert.equal(await scenario.send('nobody takes this'), false);
  assert.equal((await scenario.events('close')).length, 1);
  const button = scenario.page.locator('holdfast-status [part=button]');
  await button.click();
  // Still nobody there: it fails once more.
  await scenario.waitFor('close', 2);
  await scenario.says(/^Could not connect after 3 attempts/);

  await startRelay(t, { targetPort: gateway.port, port: relay.port });
  await button.click();
  await scenario.says(/^Connected$/);
  await scenario.waitFor('resumed');
  await scenario.send('after');
  assert.deepEqual(await scenario.received(2), ['before', 'after']);
  assert.deepEqual(backend.receivedTexts(), ['before', 'after']);
  assert.equal(await button.isVisible(), false);
  assert.deepEqual(await scenario.events('reset'), []);
  assert.equal(gateway.eventsOf('pipe.opened').length, 1);
  assert.deepEqual(scenario.problems, []);
});
