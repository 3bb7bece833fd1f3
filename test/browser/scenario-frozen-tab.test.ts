/** A tab that the browser freezes, as it does with those in the background, and its return. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { startGateway } from '../support/gateway.ts';
import { startRelay } from '../support/tcp-relay.ts';
import { sleep } from '../support/wait.ts';
import { openScenario } from './scenario-page.ts';

const count = 120;

for (const cut of [false, true]) {
  test(`a frozen tab returns${cut ? ', and its connection was cut meanwhile' : ''}: every message is there once, in order`, async (t) => {
    const backend = await startBackend(t, { push: { intervalMs: 20, count, prefix: 'push' } });
    const heartbeat = { intervalMs: 200, timeoutMs: 600 };
    const gateway = await startGateway(t, {
      allowedOrigins: ['*'],
      backends: [backend.url],
      heartbeat: { client: { ...heartbeat }, backend: { ...heartbeat } },
    });
    const relay = await startRelay(t, { targetPort: gateway.port });
    const scenario = await openScenario(t, { url: `${relay.url}/ws` });
    await scenario.received(5);
    const cdp = await scenario.page.context().newCDPSession(scenario.page);
    await cdp.send('Page.setWebLifecycleState', { state: 'frozen' });
    if (cut) {
      await sleep(500);
      relay.reset();
    }
    await sleep(1_500);
    await cdp.send('Page.setWebLifecycleState', { state: 'active' });
    await scenario.says(/^Connected$/);
    const messages = await scenario.received(count);
    assert.deepEqual(
      messages.map((text) => Number(/#(\d+)\//.exec(text)?.[1])),
      Array.from({ length: count }, (_, index) => index + 1),
    );
    const resumed = (await scenario.events('resumed')).length;
    if (cut) assert.equal(resumed, 1);
    assert.deepEqual(await scenario.events('reset'), []);
    assert.equal(gateway.manager.size, 1);
    await scenario.send('awake');
    await scenario.received(count + 1);
    assert.deepEqual(scenario.problems, []);
    t.diagnostic(`${resumed} resumed, ${gateway.eventsOf('client.detached').length} detached`);
  });
}
