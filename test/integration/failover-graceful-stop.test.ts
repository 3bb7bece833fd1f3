import assert from 'node:assert/strict';
import test from 'node:test';
import { connect } from '../support/client.ts';
import { until } from '../support/wait.ts';
import { assertComplete, assertHandedOver, echoedNumbers, linksOf, onlyPipe, startPair } from './failover-scenario.ts';

for (const code of [1001, 1012]) {
  test(`A backend that stops with ${code} hands its client over: nothing lost, order kept`, async (t) => {
    const { a, b, gateway } = await startPair(t, {}, { graceful: { code, reason: 'stopping' } });
    const client = await connect(t, gateway.url);
    const pipe = onlyPipe(gateway);
    const run = client.sendNumbered({ intervalMs: 3 });
    await until(() => client.messages.length >= 30, { what: 'thirty answers' });
    const asked = performance.now();
    await a.stop();
    const stopMs = performance.now() - asked;
    const interrupted = await gateway.waitFor('pipe.interrupted');
    await client.waitFor(({ text }) => text.startsWith('b:'));
    run.stop();
    await client.waitFor(({ text }) => text.startsWith(`b:msg#${run.sent}/`));
    assertComplete(echoedNumbers(client), run.sent, 'answers');
    const twice = assertHandedOver(linksOf(pipe.id, a, b), run.sent);
    assert.equal(interrupted.closeCode, code);
    assert.equal(interrupted.reason, 'closed');
    assert.equal(linksOf(pipe.id, a)[0]?.closed?.code, code, 'its Close was answered');
    assert.equal(client.closeInfo, undefined);
    assert.ok(stopMs < 1500, `it could stop at once: ${stopMs} ms`);
    t.diagnostic(`twice ${twice}`);
  });
}

for (const [order, code] of [
  ['close:1011:broken', 1011],
  ['close:1013:later', 1013],
  ['close:1014:gateway', 1014],
  ['terminate', 1006],
  ['reset', 1006],
] as const) {
  test(`A backend link that ends by '${order}' is a failover`, async (t) => {
    const { gateway } = await startPair(t);
    const client = await connect(t, gateway.url);
    client.send(order);
    const interrupted = await gateway.waitFor('pipe.interrupted');
    // The order itself is replayed where it was not acknowledged, so the next backend may obey it as well; it never reaches the client.
    assert.equal(interrupted.closeCode, code);
    assert.equal(client.closeInfo, undefined);
    client.terminate();
  });
}
