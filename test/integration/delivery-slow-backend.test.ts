import assert from 'node:assert/strict';
import test from 'node:test';
import { connect } from '../support/client.ts';
import { until } from '../support/wait.ts';
import { assertExact, linksOf, numbersOf, onlyPipe, startPair, viewOf, watchMost } from './failover-scenario.ts';

const maxBytesPerPipe = 512 * 1024;

for (const delivery of ['at-least-once', 'at-most-once'] as const) {
  test(`A backend that does not read stops the reading of its client (${delivery}); nothing is lost, nothing comes twice`, async (t) => {
    const { a, gateway } = await startPair(t, { delivery, buffer: { maxBytesPerPipe } }, { echo: false });
    const client = await connect(t, gateway.url);
    const pipe = onlyPipe(gateway);
    const most = watchMost(t, () => gateway.manager.budget.usedBytes);
    await a.command({ do: 'pause' });
    const count = 1500;
    client.sendNumbered({ count, bytes: 20_000 });
    const paused = await gateway.waitFor('pipe.paused');
    assert.equal(paused.direction, 'toBackend');
    await until(() => viewOf(gateway, pipe).client?.paused === true);
    // Over the grace of an interruption: with a backend attached no policy applies.
    const pausedAt = performance.now();
    await until(() => performance.now() - pausedAt > 1200);
    assert.equal(client.closeInfo, undefined);
    assert.ok(client.ws.bufferedAmount > 1_000_000, `${client.ws.bufferedAmount} bytes wait at the client`);
    await a.command({ do: 'resume' });
    await until(() => linksOf(pipe.id, a)[0]?.messages.length === count, { timeoutMs: 15_000, intervalMs: 50 });
    assertExact(numbersOf(linksOf(pipe.id, a)[0]!), count, 'messages at the backend');
    assert.ok(most() <= maxBytesPerPipe + 65_536, `${most()} bytes held`);
    await until(() => gateway.manager.budget.usedBytes === 0, { what: 'the journal to be empty' });
    assert.equal(gateway.eventsOf('pipe.interrupted').length, 0);
    t.diagnostic(`most held ${most()} bytes of ${maxBytesPerPipe}`);
  });
}
