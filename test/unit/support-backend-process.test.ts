import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect, connectRefused } from '../support/client.ts';
import { audit, readNumbered } from '../support/numbered.ts';
import { connectRaw } from '../support/raw-client.ts';
import { until, WaitError, withTimeout } from '../support/wait.ts';

describe('startBackend', () => {
  it('starts fast', async (t) => {
    const times: number[] = [];
    for (let i = 0; i < 3; i++) {
      const from = performance.now();
      await startBackend(t);
      times.push(performance.now() - from);
    }
    const best = Math.round(Math.min(...times));
    t.diagnostic(`fastest start ${best} ms`);
    assert.ok(best < 1_000, `${best} ms`);
  });

  it('echoes text as text and binary as binary, with its tag', async (t) => {
    const backend = await startBackend(t, { tag: 'a' });
    const client = await connect(t, backend.url);
    assert.equal((await client.ask('hello')).text, 'a:hello');
    client.send(Buffer.from([1, 2]));
    const answer = await client.next();
    assert.equal(answer.type, 'binary');
    assert.deepEqual([...answer.data], [97, 58, 1, 2]);
    assert.equal(await backend.connections(), 1);
  });

  it('keeps what it received through a SIGKILL', async (t) => {
    const backend = await startBackend(t, { record: { textBytes: 10 } });
    const client = await connect(t, `${backend.url}/room?x=1`, { protocols: ['chat'], headers: { 'X-One': '1' } });
    client.send('first');
    client.send(Buffer.from('second'));
    client.send('a text that is too long');
    await client.received.count(3);
    await backend.kill();
    assert.deepEqual(await client.waitClosed(), { code: 1006, reason: '' });
    const [one] = backend.received();
    assert.equal(one?.url, '/room?x=1');
    assert.equal(one?.headers['x-one'], '1');
    assert.equal(one?.protocol, 'chat');
    assert.equal(one?.closed, undefined);
    const sha1 = (text: string) => createHash('sha1').update(text).digest('hex');
    assert.deepEqual(
      one?.messages.map(({ at: _at, ...message }) => message),
      [
        { type: 'text', bytes: 5, text: 'first' },
        { type: 'binary', bytes: 6, sha1: sha1('second') },
        { type: 'text', bytes: 23, text: 'a text tha', sha1: sha1('a text that is too long') },
      ],
    );
  });

  it('comes back at the same port', async (t) => {
    const backend = await startBackend(t);
    await connect(t, backend.url);
    const again = await backend.restart({ tag: 'again' });
    assert.equal(again.port, backend.port);
    assert.equal((await (await connect(t, again.url)).ask('x')).text, 'again:x');
  });

  it('stands still while frozen and goes on when thawed', async (t) => {
    const backend = await startBackend(t);
    const client = await connect(t, backend.url);
    await backend.freeze();
    await assert.rejects(client.ask('anyone there', { timeoutMs: 100 }), WaitError);
    await assert.rejects(backend.command({ do: 'connections' }, 50), /frozen/);
    backend.thaw();
    assert.equal((await client.next()).text, 'anyone there');
  });

  it('dies of SIGKILL while frozen', async (t) => {
    const backend = await startBackend(t);
    await backend.freeze();
    await backend.kill();
    assert.equal((await backend.exited).signal, 'SIGKILL');
  });

  it('obeys texts that are orders', async (t) => {
    const backend = await startBackend(t, { crashOn: 'poison' });
    const closing = await connect(t, backend.url);
    closing.send('close:4001:enough: go');
    assert.deepEqual(await closing.waitClosed(), { code: 4001, reason: 'enough: go' });
    const empty = await connect(t, backend.url);
    empty.send('close-empty');
    assert.equal((await empty.waitClosed()).code, 1005);
    const dropped = await connect(t, backend.url);
    dropped.send('terminate');
    assert.equal((await dropped.waitClosed()).code, 1006);
    const client = await connect(t, `${backend.url}/here`);
    assert.equal(JSON.parse((await client.ask('info')).text).url, '/here');
    client.send('burst:3:1000');
    const burst = await client.received.count(4);
    assert.deepEqual(
      burst.slice(1).map(({ data }) => readNumbered(data)),
      [1, 2, 3].map((n) => ({ prefix: 'burst', n, bytes: 1000, whole: true })),
    );
    client.send('poison');
    assert.equal((await backend.exited).code, 1);
  });

  it('pushes numbered messages', async (t) => {
    const backend = await startBackend(t, { push: { intervalMs: 1, count: 20, bytes: [50, 2_000] } });
    const client = await connect(t, backend.url);
    await client.received.count(20);
    assert.ok(client.numbered.every(({ whole }) => whole));
    assert.deepEqual(
      audit(
        client.numbered.map(({ n }) => n),
        20,
      ),
      { received: 20, missing: [], duplicated: [], outOfOrder: [] },
    );
  });

  it('refuses, waits and says nothing, as told', async (t) => {
    const backend = await startBackend(t, { refuse: { status: 503, times: 1, body: 'later' }, record: true });
    assert.deepEqual((({ status, body }) => ({ status, body }))(await connectRefused(t, backend.url)), {
      status: 503,
      body: 'later',
    });
    await backend.set({ handshakeDelayMs: 60, refuse: null });
    const from = performance.now();
    await connect(t, backend.url);
    assert.ok(performance.now() - from >= 55);
    await backend.set({ neverAnswer: true });
    await assert.rejects(connect(t, backend.url, { timeoutMs: 50 }), /Waited 50 ms for the handshake/);
    assert.equal(backend.upgrades().length, 3);
    assert.equal(backend.received().length, 1);
  });

  it('closes gracefully with 1001 on SIGTERM', async (t) => {
    const backend = await startBackend(t, { graceful: true });
    const client = await connect(t, backend.url);
    await backend.stop();
    assert.equal((await client.waitClosed()).code, 1001);
    assert.equal((await backend.exited).code, 0);
  });

  it('chooses among its subprotocols and hands out a ticket', async (t) => {
    const backend = await startBackend(t, { subprotocols: ['b'], ticket: 'T1' });
    const client = await connect(t, backend.url, { protocols: ['a', 'b'] });
    assert.equal(client.protocol, 'b');
    assert.equal(client.headers['holdfast-ticket'], 'T1');
  });

  it('answers no ping with noPong, and can stop reading', async (t) => {
    const silent = await startBackend(t, { noPong: true, record: true });
    const raw = await connectRaw(t, { port: silent.port });
    await raw.ping('1');
    await raw.sendText('after');
    assert.equal((await raw.nextFrame()).text, 'after');
    assert.deepEqual(silent.received()[0]?.pings, ['1']);
    await silent.command({ do: 'pause' });
    await raw.sendText('unread');
    await assert.rejects(raw.nextFrame({ timeoutMs: 50 }), WaitError);
    await silent.command({ do: 'resume' });
    assert.equal((await raw.nextFrame()).text, 'unread');
  });

  it('takes commands', async (t) => {
    const backend = await startBackend(t);
    const client = await connect(t, backend.url);
    await backend.command({ do: 'send', data: 'hi' });
    assert.equal((await client.next()).text, 'hi');
    await backend.command({ do: 'ping', payload: 'p' });
    await until(() => client.pings.includes('p'), { what: 'a ping' });
    await backend.command({ do: 'close', code: 1012 });
    assert.equal((await client.waitClosed()).code, 1012);
    await until(async () => (await backend.connections()) === 0, { what: 'no connection' });
    await assert.rejects(backend.command({ do: 'crash' }), /it has exited/);
    await withTimeout(backend.exited, 1_000, 'exit');
  });

  it('says why it could not start', async (t) => {
    const backend = await startBackend(t);
    await assert.rejects(startBackend(t, { port: backend.port }), /EADDRINUSE/);
  });
});
