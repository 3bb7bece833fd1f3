import assert from 'node:assert/strict';
import test from 'node:test';
import { connect } from '../support/client.ts';
import { connectRaw } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';
import { assertNothingLeft, startPair } from './failover-scenario.ts';

for (const { given, code } of [
  { given: 1000, code: 1000 },
  { given: 4003, code: 4003 },
  { given: undefined, code: 1005 },
]) {
  test(`The close code ${given ?? 'of an empty Close'} of a client goes to its backend`, async (t) => {
    const { a, gateway } = await startPair(t);
    const client = await connect(t, gateway.url);
    client.send('last words');
    client.close(given);
    assert.equal((await client.waitClosed()).code, code);
    await until(() => a.received()[0]?.closed !== undefined, { what: 'the Close at the backend' });
    assert.equal(a.received()[0]?.closed?.code, code);
    assert.deepEqual(a.receivedTexts(), ['last words']);
    const closed = await gateway.waitFor('pipe.closed');
    assert.deepEqual(
      [closed.initiator, closed.reason, closed.closeCode, closed.undelivered],
      ['client', 'closed', code, 0],
    );
    await assertNothingLeft(gateway);
  });
}

for (const end of ['reset', 'fin'] as const) {
  test(`A client that is lost by ${end} without a Close closes its backend link with 1001, after its last message`, async (t) => {
    const { a, gateway } = await startPair(t);
    const client = await connectRaw(t, { port: gateway.port, path: '/ws' });
    await client.sendText('last words');
    assert.equal((await client.nextMessage()).text, 'a:last words');
    if (end === 'reset') client.reset();
    else client.fin();
    await until(() => a.received()[0]?.closed !== undefined, { what: 'the Close at the backend' });
    assert.equal(a.received()[0]?.closed?.code, 1001);
    assert.deepEqual(a.receivedTexts(), ['last words']);
    const closed = await gateway.waitFor('pipe.closed');
    assert.deepEqual([closed.initiator, closed.reason, closed.undelivered], ['client', 'lost', 0]);
    await assertNothingLeft(gateway);
  });
}

test('A client that closes while its backend is frozen is answered at once, and nothing of its pipe is left', async (t) => {
  const { a, gateway } = await startPair(t, {
    heartbeat: { backend: { intervalMs: 100, timeoutMs: 300 } },
    closing: { handshakeMs: 1500 },
  });
  const client = await connect(t, gateway.url);
  await a.freeze();
  // The first ping has gone out and is not answered.
  await gateway.waitFor('heartbeat.ping', ({ hop }) => hop === 'backend');
  const askedAt = performance.now();
  client.close(1000);
  assert.equal((await client.waitClosed()).code, 1000);
  assert.ok(performance.now() - askedAt < 500);
  await gateway.waitFor('pipe.closed');
  await assertNothingLeft(gateway);
});
