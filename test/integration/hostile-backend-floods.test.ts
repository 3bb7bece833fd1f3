/** A backend that floods one of its pipes: the gateway's memory stays bounded, and the other pipes of the same backend are served. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { connect } from '../support/client.ts';
import { encodeFrame } from '../support/frame-codec.ts';
import { type GatewayFigures, type GatewayProcess, startGatewayProcess } from '../support/gateway-process.ts';
import { type RawBackendConnection, startRawBackend } from '../support/raw-backend.ts';
import { connectRaw } from '../support/raw-client.ts';
import { sleep, until } from '../support/wait.ts';

const mib = 1_048_576;
const maxDownstreamBytes = mib;
/** Sockets of this machine may take some MiB themselves, on both sides of the gateway. */
const kernelBytes = 24 * mib;

/** What the process keeps to be used again, for about a second. */
const spareBytes = 32 * mib;
/**
 * A neighbour that is starved has no answer before the flood ends, which it does not. How much of a flood goes before an answer is counted in
 * `limits-floods-of-backends.test.ts`, and measured in time by `npm run bench:floods`.
 */
const answers = 20;
const patienceMs = 30_000;

interface Flood {
  /** Bytes that have left the flooding end. */
  readonly taken: () => number;
  stop(): void;
}

/** Writes the same bytes as fast as they are taken, until it is stopped. */
function flood(link: RawBackendConnection, bytes: Buffer): Flood {
  let on = true;
  const write = (): void => {
    while (on && !link.socket.destroyed && link.socket.write(bytes));
  };
  link.socket.on('drain', write);
  write();
  return {
    taken: () => link.socket.bytesWritten - link.socket.writableLength,
    stop: () => {
      on = false;
    },
  };
}

async function start(
  t: TestContext,
): Promise<{ gateway: GatewayProcess; flooding: () => Promise<RawBackendConnection> }> {
  const backend = await startRawBackend(t, {
    onConnection: (link) => {
      void link.accept();
      if (link.request.path === '/flood') return;
      link.socket.on('data', () => {
        for (const frame of link.frames.all.splice(0)) {
          if (frame.opcode === 9) void link.pong(frame.payload);
          else if (frame.opcode < 8) void link.sendFrame({ opcode: frame.opcode, payload: frame.payload });
        }
      });
    },
  });
  const gateway = await startGatewayProcess(t, {
    backends: [backend.url],
    buffer: { maxDownstreamBytes },
    heartbeat: { client: { intervalMs: 0 }, backend: { intervalMs: 0 } },
  });
  const flooding = () => backend.connections.waitFor((link) => link.request.path === '/flood');
  return { gateway, flooding };
}

/** Round trips of a pipe beside the flood, for `leastMs` and until `leastBytes` of it were taken. */
async function serveBeside(
  t: TestContext,
  gateway: GatewayProcess,
  { taken }: Flood,
  { leastMs = 1500, leastBytes = 0 } = {},
): Promise<void> {
  const neighbour = await connect(t, `${gateway.url}/good`, { timeoutMs: patienceMs });
  const begun = performance.now();
  for (let n = 1; n <= answers || taken() < leastBytes || performance.now() - begun < leastMs; n += 1) {
    assert.equal((await neighbour.ask(`${n}`, { timeoutMs: patienceMs })).text, `${n}`);
    await sleep(5);
  }
  neighbour.terminate();
}

/** Until the gateway holds less than that more than before. @returns how much more. */
async function heldBelow(bytes: number, gateway: GatewayProcess, before: GatewayFigures): Promise<number> {
  let held = 0;
  await until(
    async () => {
      held = (await gateway.figures()).heldBytes - before.heldBytes;
      return held < bytes;
    },
    { timeoutMs: patienceMs, what: () => `less than ${bytes} bytes to be held: ${held} are` },
  );
  return held;
}

const inMib = (bytes: number): string => `${(bytes / mib).toFixed(1)} MiB`;

test('a flood of data toward a client that reads nothing stops at buffer.maxDownstreamBytes', async (t) => {
  const { gateway, flooding } = await start(t);
  const client = await connectRaw(t, { port: gateway.port, path: '/ws/flood' });
  client.pause();
  const before = await gateway.figures();
  const running = flood(await flooding(), encodeFrame({ payload: Buffer.alloc(32_768, 'f') }));
  await until(async () => (await gateway.counts())['pipe.paused'] === 1, { timeoutMs: patienceMs, what: 'its pause' });
  await serveBeside(t, gateway, running);
  const taken = running.taken();
  const held = await heldBelow(maxDownstreamBytes + 4 * mib, gateway, before);
  running.stop();
  t.diagnostic(`${inMib(taken)} taken, ${inMib(held)} held`);
  assert.ok(taken < maxDownstreamBytes + kernelBytes, `${taken} bytes were taken from the backend`);
});

for (const [what, bytes] of [
  ['data', encodeFrame({ payload: Buffer.alloc(1024, 'f') })],
  ['empty messages', Buffer.concat(Array.from({ length: 10_000 }, () => encodeFrame({ opcode: 'text' })))],
] as const) {
  test(`a flood of ${what} to a client that reads passes through, and neighbours are served beside it`, async (t) => {
    const { gateway, flooding } = await start(t);
    const client = await connectRaw(t, { port: gateway.port, path: '/ws/flood' });
    client.socket.removeAllListeners('data');
    client.socket.resume();
    const before = await gateway.figures();
    const running = flood(await flooding(), bytes);
    await serveBeside(t, gateway, running, { leastBytes: kernelBytes + 10 * mib });
    const during = await gateway.figures();
    const taken = running.taken();
    running.stop();
    const held = during.heldBytes - before.heldBytes;
    t.diagnostic(`${inMib(taken)} passed, ${inMib(held)} held`);
    assert.ok(held < maxDownstreamBytes + 8 * mib + spareBytes, `${held} bytes are held`);
  });
}

test('a flood of pings from a backend that reads nothing does not pile up pongs; when it reads again its latest ping is answered', async (t) => {
  const { gateway, flooding } = await start(t);
  const client = await connect(t, `${gateway.url}/flood`);
  const link = await flooding();
  const before = await gateway.figures();
  link.pause();
  const pings = Array.from({ length: 1000 }, () => encodeFrame({ opcode: 'ping', payload: Buffer.alloc(125, 'p') }));
  const running = flood(link, Buffer.concat(pings));
  // More than the sockets take, both ways, and 8 MiB of pongs that would be seen.
  await serveBeside(t, gateway, running, { leastBytes: 2 * kernelBytes + 8 * mib });
  const sent = running.taken();
  running.stop();
  const held = await heldBelow(4 * mib, gateway, before);
  t.diagnostic(`${inMib(sent)} of pings, ${inMib(held)} held`);
  await link.ping('the last one');
  link.resume();
  const isLast = (frame: { opcode: number; text: string }) => frame.opcode === 10 && frame.text === 'the last one';
  await link.frames.waitFor(isLast, { timeoutMs: patienceMs });
  await link.sendText('and data');
  await client.waitFor('and data', { timeoutMs: patienceMs });
});

test('a flood of pongs that nobody asked for is passed over, and its pipe and the others are served', async (t) => {
  const { gateway, flooding } = await start(t);
  const client = await connect(t, `${gateway.url}/flood`);
  const link = await flooding();
  const before = await gateway.figures();
  const one = encodeFrame({ opcode: 'pong', payload: 'flood' });
  const running = flood(link, Buffer.concat(Array.from({ length: 1000 }, () => one)));
  await serveBeside(t, gateway, running, { leastBytes: 10_000 * one.length });
  running.stop();
  await link.sendText('behind the flood');
  await client.waitFor('behind the flood', { timeoutMs: patienceMs });
  const sent = running.taken() / one.length;
  const held = await heldBelow(4 * mib, gateway, before);
  t.diagnostic(`${Math.round(sent)} pongs, ${inMib(held)} held`);
  client.send('and back');
  assert.equal((await link.nextMessage({ timeoutMs: patienceMs })).text, 'and back');
});
