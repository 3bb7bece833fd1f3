import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect } from '../support/client.ts';
import { sleep, until } from '../support/wait.ts';
import { assertNothingLeft, startPair } from './failover-scenario.ts';

test('requestHeaders makes the headers of every dial: a fresh token each time, what it leaves out is not sent', async (t) => {
  let dials = 0;
  const { a, b, gateway } = await startPair(t, {
    async requestHeaders(headers, { backendId, generation }) {
      dials += 1;
      const { cookie, ...rest } = headers;
      await sleep(5);
      return { ...rest, authorization: `Bearer ${backendId}-${generation}-${dials}` };
    },
  });
  const client = await connect(t, gateway.url, { headers: { cookie: 'session=1', 'x-user': 'ann' } });
  assert.equal((await client.ask('hello')).text, 'a:hello');
  await a.kill();
  assert.equal((await client.ask('again')).text.slice(0, 2), 'b:');
  const [first, second] = [a.received()[0]!.headers, b.received()[0]!.headers];
  assert.equal(first['authorization'], 'Bearer a-1-1');
  assert.match(second['authorization']!, /^Bearer b-2-\d+$/);
  for (const headers of [first, second]) assert.deepEqual([headers['cookie'], headers['x-user']], [undefined, 'ann']);
  assert.equal(second['holdfast-generation'], '2');
});

test('a requestHeaders that fails, is slow or returns nonsense is a failed attempt, without a spin and without harm to the backend', async (t) => {
  const faults: (() => Record<string, string> | Promise<Record<string, string>>)[] = [
    () => {
      throw new Error('no token');
    },
    () => new Promise(() => {}),
    () => ({ 'not a header': 'x' }),
    () => ({ fine: 'line\nbreak' }),
    () => undefined as unknown as Record<string, string>,
  ];
  for (const fault of faults) {
    let broken = true;
    let calls = 0;
    const { gateway } = await startPair(t, {
      failover: { handshakeWaitMs: 50, backoffBaseMs: 100, backoffMaxMs: 200 },
      pool: { dialTimeoutMs: 150, balancing: 'round-robin' },
      requestHeaders(headers) {
        calls += 1;
        return broken ? fault() : headers;
      },
    });
    const client = await connect(t, gateway.url);
    client.send('hello');
    await sleep(600);
    assert.ok(calls >= 1 && calls <= 40, `${calls} attempts in 0.6 s with ${fault}`);
    broken = false;
    assert.match((await client.next({ timeoutMs: 8000 })).text, /:hello$/);
    assert.ok(
      gateway
        .eventsOf('backend.attempt-failed')
        .every(({ failure }) => failure === 'attach-hook' || failure === 'aborted'),
    );
    assert.ok(gateway.manager.backends().every(({ consecutiveFailures }) => consecutiveFailures === 0));
    client.close();
    await assertNothingLeft(gateway);
  }
});

test('a ticket goes to the next backend only, and never from a client', async (t) => {
  const { a, b, gateway } = await startPair(t, {}, { ticket: 'seat-12' });
  const client = await connect(t, gateway.url, { headers: { 'holdfast-ticket': 'forged', 'holdfast-replay': '9' } });
  await client.ask('hello');
  assert.equal(a.received()[0]!.headers['holdfast-ticket'], undefined);
  assert.equal(client.headers['holdfast-ticket'], undefined, 'clients are told nothing of it');
  await a.kill();
  await client.waitFor('b:hello').catch(() => client.ask('more'));
  await until(() => b.received().length === 1);
  assert.equal(b.received()[0]!.headers['holdfast-ticket'], 'seat-12');
});
