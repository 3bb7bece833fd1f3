import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startGateway, type TestGatewayOptions } from '../support/gateway.ts';
import { startRawBackend } from '../support/raw-backend.ts';

/** Binary, of 256 MiB. */
const enormous = Buffer.from([0x82, 127, 0, 0, 0, 0, 0x10, 0, 0, 0]);
/** Three fragments of a text that goes on. */
const fragments = Buffer.from([0x01, 0, 0x00, 0, 0x00, 0]);

const excesses: readonly (readonly [how: string, bytes: Buffer, options: TestGatewayOptions])[] = [
  ['a message over maxMessageBytes', enormous, {}],
  ['more fragments than limits.maxFragments', fragments, { limits: { maxFragments: 2 } }],
];

for (const [how, bytes, options] of excesses) {
  test(`a client stays where it is when a backend it is only introduced to sends ${how}, and moves to the next`, async (t) => {
    const gateway = await startGateway(t, {
      ...options,
      closing: { handshakeMs: 200 },
      onAttach: async ({ receive }) => {
        await receive();
      },
    });
    const [a, c] = await Promise.all([
      startBackend(t, { tag: 'a', hello: 'hello' }),
      startBackend(t, { tag: 'c', hello: 'hello' }),
    ]);
    const b = await startRawBackend(t, { onConnection: (connection) => void connection.accept({ after: bytes }) });
    gateway.manager.registerBackend({ id: 'a', url: a.url });
    const client = await connect(t, gateway.url);
    gateway.manager.registerBackend({ id: 'b', url: b.url });
    await gateway.admin('DELETE', '/backends/a');
    const { failure, backendId } = await gateway.waitFor('backend.attempt-failed');
    assert.deepEqual([failure, backendId], ['lost', 'b']);
    assert.equal((await client.ask('still')).text, 'a:still');
    await gateway.admin('PATCH', '/backends/b', { adminState: 'disabled' });
    gateway.manager.registerBackend({ id: 'c', url: c.url });
    await gateway.waitFor('backend.drained');
    assert.equal((await client.ask('moved')).text, 'c:moved');
    assert.equal(gateway.eventsOf('pipe.interrupted').length, 0);
  });
}
