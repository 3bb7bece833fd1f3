/**
 * A flood of backends toward some clients does not keep another one waiting: counted in messages, as in `limits-floods.test.ts`. The floods lie in
 * the sockets when the good client speaks; without turns libuv would read 2 MiB of each of them first.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { encodeFrame } from '../support/frame-codec.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { startRawBackend } from '../support/raw-backend.ts';
import { connectRaw } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

const flooders = 8;
const floodBytes = 3_000_000;
/** Of what waits, at most so much is worked through before the good client has its answer: it goes on while its backend, another process, answers. */
const share = 0.3;

const passed = ({ manager }: TestGateway): number =>
  [...manager].reduce((sum, pipe) => sum + pipe.downstream.messages, 0);

for (const [what, one] of [
  ['empty messages', encodeFrame({ opcode: 'binary', payload: '' })],
  ['messages of ten bytes', encodeFrame({ opcode: 'binary', payload: 'ten bytes.' })],
  ['messages of 1 KiB', encodeFrame({ opcode: 'binary', payload: Buffer.alloc(1024) })],
] as const) {
  test(`${flooders} floods of ${what} from a backend wait for the one message of another client, not it for them`, async (t) => {
    const hostile = await startRawBackend(t, { onConnection: (link) => void link.accept() });
    const gateway = await startGateway(t, {
      backends: [{ id: 'hostile', url: hostile.url }],
      heartbeat: { client: { intervalMs: 0 }, backend: { intervalMs: 0 } },
      closing: { handshakeMs: 200, lingerMs: 200 },
    });
    for (let n = 0; n < flooders; n += 1) {
      const { socket } = await connectRaw(t, { port: gateway.port, path: '/ws' });
      socket.removeAllListeners('data').resume();
    }
    const links = await hostile.connections.count(flooders);
    gateway.manager.updateBackend('hostile', { adminState: 'disabled' });
    gateway.manager.registerBackend({ url: (await startBackend(t)).url });
    const good = await connect(t, gateway.url);
    assert.equal((await good.ask('ready')).text, 'ready');

    const messages = Math.floor(floodBytes / one.length);
    const flood = Buffer.concat(Array.from({ length: messages }, () => one));
    const before = passed(gateway);
    for (const link of links) void link.sendBytes(flood);
    assert.equal((await good.ask('in time')).text, 'in time');
    const first = passed(gateway) - before;
    const total = messages * flooders;
    t.diagnostic(`${first} of ${total} messages went first`);
    assert.ok(first < total * share, `${first} of ${total} messages went first`);
    // They have their turns as well: all of it is worked through, and the echoes of the good client.
    await until(() => passed(gateway) - before >= total + 1, {
      timeoutMs: 60_000,
      what: () => `${total} messages; ${passed(gateway) - before} have passed`,
    });
  });
}
