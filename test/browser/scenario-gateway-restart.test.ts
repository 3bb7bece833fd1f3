/** The gateway itself ends and comes back at the same port: no message of the page is lost, and what may be is said. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { audit } from '../support/numbered.ts';
import { until } from '../support/wait.ts';
import { openScenario, startGatewayProcess } from './scenario-page.ts';

const total = 300;

for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
  test(`${signal}: a new session, said by reset, and every message of the page arrives`, async (t) => {
    const backend = await startBackend(t, { record: true, tag: 'a' });
    const backends = [backend.url];
    const gateway = await startGatewayProcess(t, { port: 0, backends });
    const scenario = await openScenario(t, { url: `ws://127.0.0.1:${gateway.port}/ws`, options: { maxAttempts: 100 } });
    await scenario.stream(1, total, 5);
    await scenario.received(50);
    if (signal === 'SIGKILL') {
      await gateway.kill();
      await scenario.says(/^Connection lost/);
    } else {
      const stopped = gateway.stop();
      await scenario.says(/^(The server is restarting|Connection lost)/);
      await stopped;
    }
    await scenario.shot(`gateway-${signal}`);
    assert.ok(await scenario.send('while it is away'));
    await startGatewayProcess(t, { port: gateway.port, backends });
    await scenario.says(/^Connected$/);
    const reset = await scenario.waitFor('reset');
    const came = (): number[] =>
      backend.receivedTexts().flatMap((text) => (text.startsWith('m ') ? [Number(text.slice(2))] : []));
    await until(() => new Set(came()).size === total, { timeoutMs: 10_000, what: () => `${came().length} messages` });
    const { missing, duplicated, outOfOrder } = audit(came(), total);
    assert.deepEqual({ missing, outOfOrder }, { missing: [], outOfOrder: [] });
    assert.ok(
      duplicated.length <= Number(reset['maybeTwiceMessages']),
      `${duplicated.length} twice, ${JSON.stringify(reset)}`,
    );
    assert.equal(backend.receivedTexts().filter((text) => text === 'while it is away').length, 1);
    // Answers were lost with the gateway at most; those that came, came once and in order.
    const answers = (await scenario.messages()).map((text) => Number(/^a:m (\d+)$/.exec(text)?.[1] ?? Number.NaN));
    const downstream = audit(answers.filter(Number.isFinite), total);
    assert.deepEqual(downstream.outOfOrder, []);
    assert.equal((await scenario.events('reset')).length, 1);
    assert.deepEqual(scenario.problems, []);
    t.diagnostic(
      `reset ${JSON.stringify(reset)}; ${duplicated.length} twice up; ${downstream.missing.length} answers lost`,
    );
  });
}
