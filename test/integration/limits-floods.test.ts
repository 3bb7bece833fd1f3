/**
 * A flood on some connections does not keep another one waiting: counted in frames, so that it holds on any machine. The floods lie in the
 * sockets when the good client speaks; without turns all of it would be worked through first. Times: `bench/floods.ts`.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { SocketLink } from '../../src/link/socket-link.ts';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { encodeFrame } from '../support/frame-codec.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { connectRaw, type RawClient } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';
import { assertReached, readSeries } from './limits-scenario.ts';

const flooders = 8;
/**
 * Of the frames that wait, at most so many are worked through before the good client has its answer: they go on while its backend, another
 * process, answers. Without turns libuv reads 2 MiB of each socket first, which is more.
 */
const share = 0.4;

interface Flood {
  readonly what: string;
  readonly frames: Buffer;
  /** Of each connection: more than its socket is read at once for. */
  readonly bytes: number;
  /** How many `frames` there were. */
  worked(gateway: TestGateway): number;
  /** How many in a hundred are seen to be worked through in the end. */
  readonly seen?: number;
  readonly resumable?: boolean;
}

const openPlain = (t: TestContext, { port }: TestGateway) => connectRaw(t, { port, path: '/ws' });

async function openSession(t: TestContext, { port }: TestGateway): Promise<RawClient> {
  const client = await connectRaw(t, { port, path: '/ws', protocols: ['holdfast.v1'] });
  await client.sendText('\u001e{"type":"start","resume":null}');
  await client.frames.waitFor(({ text }) => text.includes('welcome'), { what: 'the welcome' });
  return client;
}

const messages = ({ manager }: TestGateway): number =>
  [...manager].reduce((sum, pipe) => sum + pipe.clientSide.messages, 0);
const unanswered = ({ manager }: TestGateway): number => manager.tally.total('pongs');
/** Also those that are no messages of the application. */
const allMessages = ({ manager }: TestGateway): number =>
  [...manager].reduce((sum, { client }) => sum + ((client?.link as SocketLink | undefined)?.messagesIn ?? 0), 0);

const ping = encodeFrame({ opcode: 'ping', payload: '', mask: true });
const jsonPing = encodeFrame({ payload: '{"type":"ping"}', mask: true });
const binary = (payload: string | Buffer) => encodeFrame({ opcode: 'binary', payload, mask: true });
/** One message. */
const fragments = Buffer.concat(
  Array.from({ length: 100 }, (_, n) =>
    encodeFrame({ opcode: n === 0 ? 'binary' : 'continuation', fin: n === 99, payload: 'x', mask: true }),
  ),
);
const ack = encodeFrame({ payload: '\u001e{"type":"ack","received":0}', mask: true });

const floodsOf: readonly Flood[] = [
  { what: 'pings', frames: ping, bytes: 600_000, worked: unanswered, seen: 99 },
  { what: 'JSON pings', frames: jsonPing, bytes: 600_000, worked: unanswered, seen: 99 },
  { what: 'empty messages', frames: binary(''), bytes: 3_000_000, worked: messages },
  { what: 'messages of ten bytes', frames: binary('ten bytes.'), bytes: 3_000_000, worked: messages },
  { what: 'fragments of one byte', frames: fragments, bytes: 3_000_000, worked: messages },
  { what: 'messages of 1 MiB', frames: binary(Buffer.alloc(2 ** 20)), bytes: 4_200_000, worked: messages },
  { what: 'acks of holdfast.v1', frames: ack, bytes: 3_000_000, worked: allMessages, resumable: true },
];

for (const { what, frames: one, bytes, worked, seen = 100, resumable = false } of floodsOf) {
  test(`${flooders} floods of ${what} wait for the one message of another client, not it for them`, async (t) => {
    const swallowing = await startBackend(t, { echo: false });
    const heartbeat = { client: { intervalMs: 0 }, backend: { intervalMs: 0 } };
    const gateway = await startGateway(t, {
      backends: [{ id: 'swallowing', url: swallowing.url }],
      heartbeat,
      limits: { controlFramesPerSecond: 0 },
      // That it is full is not what they wait for.
      buffer: { maxBytesPerPipe: 64 * 2 ** 20 },
      closing: { handshakeMs: 100, lingerMs: 100 },
    });
    const floods = await Promise.all(
      Array.from({ length: flooders }, () => (resumable ? openSession(t, gateway) : openPlain(t, gateway))),
    );
    gateway.manager.updateBackend('swallowing', { adminState: 'disabled' });
    gateway.manager.registerBackend({ url: (await startBackend(t)).url });
    const good = await connect(t, gateway.url);
    assert.equal((await good.ask('ready')).text, 'ready');

    const frames = Math.floor(bytes / one.length);
    const flood = Buffer.concat(Array.from({ length: frames }, () => one));
    const before = worked(gateway);
    for (const client of floods) void client.sendBytes(flood);
    assert.equal((await good.ask('in time')).text, 'in time');
    const first = worked(gateway) - before;
    const total = frames * flooders;
    assert.ok(first < total * share, `${first} of ${total} frames went first`);
    // They have their turns as well: all of it is worked through.
    const left = (total * seen) / 100;
    await until(() => worked(gateway) - before >= left, {
      timeoutMs: 60_000,
      what: () => `${left} frames; ${worked(gateway) - before} were worked through`,
    });
  });
}

test('limits.framesPerTurn: what one connection brings at once is worked through in so many turns', async (t) => {
  const backend = await startBackend(t, { echo: false });
  const gateway = await startGateway(t, { backends: [backend.url], limits: { framesPerTurn: 100 } });
  const client = await connectRaw(t, { port: gateway.port, path: '/ws', autoClose: true });
  const before = await readSeries(gateway, 'holdfast_turns_total');
  const frames = 5000;
  // Of 7 bytes each: two reads of 64 KiB at most.
  const one = encodeFrame({ opcode: 'binary', payload: '.', mask: true });
  await client.sendBytes(Buffer.concat(Array.from({ length: frames }, () => one)));
  await until(() => messages(gateway) === frames, { what: 'all of it to be worked through' });
  const turns = (await readSeries(gateway, 'holdfast_turns_total')) - before;
  assert.ok(turns >= frames / 100 - 4, `${turns} turns`);
  await assertReached(gateway, 'holdfast_turns_total');
});
