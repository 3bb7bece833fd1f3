/**
 * A flood on some connections does not keep another one waiting: counted in frames, so that it holds on any machine. The floods lie in the
 * sockets when the good client speaks; without turns all of it would be worked through first. Times: `bench/floods.ts`.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { encodeFrame } from '../support/frame-codec.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { connectRaw } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

const flooders = 8;
/**
 * Of the frames that wait, at most so many are worked through before the good client has its answer: they go on while its backend, another
 * process, answers. Without turns libuv reads 2 MiB of each socket first, which is more.
 */
const share = 0.4;

const messages = ({ manager }: TestGateway): number =>
  [...manager].reduce((sum, pipe) => sum + pipe.clientSide.messages, 0);
const unanswered = ({ manager }: TestGateway): number => manager.tally.total('pongs');

for (const [what, one, worked, floodBytes] of [
  ['pings', encodeFrame({ opcode: 'ping', payload: '', mask: true }), unanswered, 600_000],
  ['JSON pings', encodeFrame({ payload: '{"type":"ping"}', mask: true }), unanswered, 600_000],
  ['empty messages', encodeFrame({ opcode: 'binary', payload: '', mask: true }), messages, 3_000_000],
  ['messages of ten bytes', encodeFrame({ opcode: 'binary', payload: 'ten bytes.', mask: true }), messages, 3_000_000],
] as const) {
  test(`${flooders} floods of ${what} wait for the one message of another client, not it for them`, async (t) => {
    const swallowing = await startBackend(t, { echo: false });
    const heartbeat = { client: { intervalMs: 0 }, backend: { intervalMs: 0 } };
    const gateway = await startGateway(t, {
      backends: [{ id: 'swallowing', url: swallowing.url }],
      heartbeat,
      limits: { controlFramesPerSecond: 0 },
    });
    const floods = await Promise.all(
      Array.from({ length: flooders }, () => connectRaw(t, { port: gateway.port, path: '/ws' })),
    );
    gateway.manager.updateBackend('swallowing', { adminState: 'disabled' });
    gateway.manager.registerBackend({ url: (await startBackend(t)).url });
    const good = await connect(t, gateway.url);
    assert.equal((await good.ask('ready')).text, 'ready');

    const frames = Math.floor(floodBytes / one.length);
    const flood = Buffer.concat(Array.from({ length: frames }, () => one));
    const before = worked(gateway);
    for (const client of floods) void client.sendBytes(flood);
    assert.equal((await good.ask('in time')).text, 'in time');
    const first = worked(gateway) - before;
    const total = frames * flooders;
    assert.ok(first < total * share, `${first} of ${total} frames went first`);
    // They have their turns as well: all of it is worked through.
    const left = what.endsWith('pings') ? total * 0.99 : total;
    await until(() => worked(gateway) - before >= left, {
      timeoutMs: 60_000,
      what: () => `${left} frames; ${worked(gateway) - before} were worked through`,
    });
  });
}
