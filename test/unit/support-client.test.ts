import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { audit, numberedText, readNumbered } from '../support/numbered.ts';
import { startProcessClient } from '../support/process-client.ts';
import { until } from '../support/wait.ts';

describe('client', () => {
  it('sends numbered messages of mixed kinds, whole or in frames', async (t) => {
    const backend = await startBackend(t);
    const client = await connect(t, backend.url);
    const run = client.sendNumbered({ count: 6, intervalMs: 1, bytes: [10, 70_000], type: 'alternate', fragments: 3 });
    assert.equal(await run.done, 6);
    await client.received.count(6);
    assert.deepEqual(
      client.numbered.map(({ n, whole }) => ({ n, whole })),
      [1, 2, 3, 4, 5, 6].map((n) => ({ n, whole: true })),
    );
    assert.equal(client.messages[1]?.type, 'binary');
    assert.equal(client.messages[1]?.data.length, 70_000);
    const endless = client.sendNumbered({ intervalMs: 1 });
    await until(() => endless.sent > 3, { what: 'some sent' });
    client.terminate();
    assert.equal(await endless.done, endless.sent);
  });

  it('finds what is there and says what is not', async (t) => {
    const backend = await startBackend(t);
    const client = await connect(t, backend.url);
    client.send('one');
    client.send('two');
    await client.waitFor('two');
    await client.waitFor('one');
    assert.equal((await client.next()).text, 'one');
    await assert.rejects(
      client.waitFor('three', { timeoutMs: 20 }),
      /for 'three' of messages of the client \(2 came, 1/,
    );
    await backend.kill();
    await assert.rejects(client.waitFor('three'), /closed \(1006 \) while waiting for 'three'/);
  });
});

describe('numbered messages', () => {
  it('have the length they say', () => {
    for (const bytes of [0, 7, 8, 9, 10, 98, 99, 100, 101, 1_000, 100_000]) {
      const text = numberedText(3, bytes, 'p');
      assert.ok(text.length >= bytes);
      assert.deepEqual(readNumbered(`tag:${text}`), { prefix: 'p', n: 3, bytes: text.length, whole: true });
      assert.equal(readNumbered(text.slice(0, -1))?.whole ?? false, false);
    }
    assert.equal(readNumbered('hello'), undefined);
  });

  it('are audited', () => {
    assert.deepEqual(audit([1, 2, 2, 5, 4], 5), { received: 5, missing: [3], duplicated: [2], outOfOrder: [4] });
  });
});

describe('client process', () => {
  it('can be frozen, and read again after', async (t) => {
    const backend = await startBackend(t);
    const client = await startProcessClient(t, backend.url, { protocols: ['x'] });
    assert.equal(client.protocol, 'x');
    await client.send('one');
    await client.waitFor(({ text }) => text === 'one');
    await client.freeze();
    await backend.command({ do: 'send', data: 'two' });
    await assert.rejects(client.command({ do: 'messages' }, 50), /frozen/);
    client.thaw();
    await client.waitFor(({ text }) => text === 'two');
    await client.sendNumbered({ intervalMs: 1, count: 5 });
    await client.waitFor(({ data }) => readNumbered(data)?.n === 5);
    assert.equal(await client.stopNumbered(), 5);
    await client.close(4000, 'done');
    assert.deepEqual((({ code, reason }) => ({ code, reason }))(await client.waitClosed()), {
      code: 4000,
      reason: 'done',
    });
  });

  it('says why it could not connect', async (t) => {
    await assert.rejects(startProcessClient(t, 'ws://127.0.0.1:1/'), /did not start\n.*ECONNREFUSED/);
  });
});
