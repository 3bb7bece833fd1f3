import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startRawBackend } from '../support/raw-backend.ts';
import { openRaw } from '../support/raw-client.ts';
import { startRelay } from '../support/tcp-relay.ts';
import { sleep, until, WaitError } from '../support/wait.ts';

describe('TCP relay', () => {
  it('passes nothing while partitioned and everything when healed', async (t) => {
    const backend = await startBackend(t, { record: true });
    const relay = await startRelay(t, { targetPort: backend.port });
    const client = await connect(t, relay.url);
    assert.equal((await client.ask('before')).text, 'before');
    relay.partition();
    client.send('during');
    await assert.rejects(client.next({ timeoutMs: 80 }), WaitError);
    await assert.rejects(connect(t, relay.url, { timeoutMs: 50 }), WaitError);
    assert.deepEqual(backend.receivedTexts(), ['before']);
    relay.heal();
    assert.equal((await client.next()).text, 'during');
  });

  it('hides the end of either side while partitioned', async (t) => {
    const backend = await startRawBackend(t);
    const relay = await startRelay(t, { targetPort: backend.port });
    const reset = await openRaw(t, { port: relay.port });
    const ended = await openRaw(t, { port: relay.port });
    const first = await backend.nextConnection();
    const second = await backend.nextConnection();
    relay.partition();
    reset.reset();
    ended.fin();
    await sleep(80);
    assert.deepEqual([first.isClosed, second.isClosed], [false, false]);
    relay.heal();
    const closes = await Promise.all([first.waitClosed(), second.waitClosed()]);
    assert.deepEqual(closes.map(({ errorCode }) => errorCode ?? 'none').sort(), ['ECONNRESET', 'none']);
    await until(() => relay.connections === 0, { what: 'no connection left' });
  });

  it('resets both ends', async (t) => {
    const backend = await startRawBackend(t);
    const relay = await startRelay(t, { targetPort: backend.port });
    const client = await openRaw(t, { port: relay.port });
    const connection = await backend.nextConnection();
    relay.partition();
    relay.reset();
    assert.equal((await client.waitClosed()).errorCode, 'ECONNRESET');
    assert.equal((await connection.waitClosed()).errorCode, 'ECONNRESET');
  });

  it('leaves no connection behind where a reset and its own end meet a FIN on its way', async (t) => {
    const sockets = (): number => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;
    const backend = await startRawBackend(t);
    const relay = await startRelay(t, { targetPort: backend.port });
    await openRaw(t, { port: relay.port });
    const link = await backend.nextConnection();
    relay.halfClose('toTarget');
    relay.reset();
    await relay.close();
    await link.waitClosed();
    await until(() => sockets() === 0, { what: () => `no connection; there are ${sockets()}` });
  });

  it('closes one direction only', async (t) => {
    const backend = await startRawBackend(t, { halfOpen: true });
    const relay = await startRelay(t, { targetPort: backend.port });
    const client = await openRaw(t, { port: relay.port });
    const connection = await backend.nextConnection();
    relay.halfClose('toTarget');
    await connection.peerEnded;
    await connection.accept();
    assert.equal((await client.response()).status, 101);
  });

  it('delays and throttles', async (t) => {
    const backend = await startBackend(t);
    const relay = await startRelay(t, { targetPort: backend.port });
    const client = await connect(t, relay.url);
    relay.delay(40);
    let from = performance.now();
    await client.ask('slow');
    const roundTripMs = performance.now() - from;
    assert.ok(roundTripMs >= 75, `${roundTripMs} ms`);
    relay.delay(0);
    relay.throttle(100_000, 'toClient');
    from = performance.now();
    await client.ask('x'.repeat(20_000));
    const throttledMs = performance.now() - from;
    assert.ok(throttledMs >= 150 && throttledMs < 1_500, `${throttledMs} ms`);
  });
});
