/** A backend that is registered by name is looked up at each dial: it may move, and a name that is not known for a while is no end. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { startRawBackend } from '../support/raw-backend.ts';
import { startResolver } from '../support/resolver.ts';

const closing = { handshakeMs: 200, lingerMs: 200 };
const name = 'moving.example';

test('after its name leads elsewhere the next dial goes there, also that of a pipe that lost the old place', async (t) => {
  const resolver = startResolver(t);
  const old = await startRawBackend(t, { onConnection: (link) => void link.accept() });
  const moved = await startRawBackend(t, {
    host: '127.0.0.2',
    port: old.port,
    onConnection: (link) => void link.accept(),
  });
  resolver.set(name, '127.0.0.1');
  const gateway = await startGateway(t, { backends: [`ws://${name}:${old.port}`], closing });
  const client = await connect(t, gateway.url);
  const link = await old.nextConnection();
  assert.equal(link.request.headers['host'], `${name}:${old.port}`);

  resolver.set(name, '127.0.0.2');
  const second = await connect(t, gateway.url);
  second.send('a new pipe');
  assert.equal((await (await moved.nextConnection()).nextMessage()).text, 'a new pipe');
  await old.close();
  client.send('a pipe that lost the old place');
  assert.equal((await (await moved.nextConnection()).nextMessage()).text, 'a pipe that lost the old place');
  assert.equal(resolver.asked(name), 3);
});

test('a name that leads nowhere for a while fails with a reason, and is taken when it is known again', async (t) => {
  const resolver = startResolver(t);
  const backend = await startBackend(t, { tag: 'back' });
  resolver.set(name);
  const gateway = await startGateway(t, {
    backends: [{ id: 'named', url: `ws://${name}:${backend.port}` }],
    failover: { handshakeWaitMs: 50 },
    closing,
  });
  const client = await connect(t, gateway.url);
  const failed = await gateway.waitFor('backend.attempt-failed');
  assert.deepEqual([failed.failure, failed.detail], ['refused', 'there is no such name (ENOTFOUND)']);
  assert.equal(gateway.manager.backend('named').lastError?.detail, failed.detail);
  resolver.set(name, '127.0.0.1');
  assert.equal((await client.ask('hello')).text, 'back:hello');
});

test('a name server that does not answer is a time-out that says so', async (t) => {
  const resolver = startResolver(t);
  resolver.silence(name);
  const gateway = await startGateway(t, {
    backends: [`ws://${name}:9`],
    failover: { handshakeWaitMs: 50 },
    pool: { dialTimeoutMs: 300 },
    closing,
  });
  await connect(t, gateway.url);
  const failed = await gateway.waitFor('backend.attempt-failed');
  assert.deepEqual([failed.failure, failed.detail], ['timeout', 'the name was not resolved within 300 ms']);
});
