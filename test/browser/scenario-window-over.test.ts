/** The page was away for longer than the gateway keeps a session, or comes with a token that is worth nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { startGateway } from '../support/gateway.ts';
import { startRelay } from '../support/tcp-relay.ts';
import { sleep } from '../support/wait.ts';
import { openScenario } from './scenario-page.ts';

for (const [title, windowMs] of [
  ['the resume window is over', 300],
  ['the gateway keeps no sessions', 0],
] as const) {
  test(`${title}: reset says what may be lost, and a new session goes on`, async (t) => {
    const backend = await startBackend(t, { record: true });
    const gateway = await startGateway(t, { allowedOrigins: ['*'], backends: [backend.url], resume: { windowMs } });
    const relay = await startRelay(t, { targetPort: gateway.port });
    const scenario = await openScenario(t, {
      url: `${relay.url}/ws`,
      options: { connectTimeoutMs: 400, maxAttempts: 50 },
    });
    await scenario.send('before');
    await scenario.received(1);
    // What was acknowledged is not sent again.
    await sleep(300);
    relay.reset();
    relay.partition();
    await scenario.says(/^Connection lost/);
    await scenario.send('away');
    await sleep(windowMs + 300);
    relay.heal();
    const reset = await scenario.waitFor('reset');
    assert.deepEqual(
      { kept: reset['keptMessages'], twice: reset['maybeTwiceMessages'], came: reset['receivedMessages'] },
      { kept: 1, twice: 0, came: 1 },
    );
    assert.deepEqual(await scenario.received(2), ['before', 'away']);
    await scenario.says(/^Connected$/);
    assert.deepEqual(backend.receivedTexts(), ['before', 'away']);
    assert.deepEqual(await scenario.events('resumed'), []);
    assert.equal((await scenario.events('open')).length, 2);
    assert.deepEqual(scenario.problems, []);
  });
}
