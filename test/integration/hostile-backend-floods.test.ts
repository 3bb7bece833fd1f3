/** A backend that floods one of its pipes: the gateway's memory stays bounded, and the other pipes of the same backend are served. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { connect } from '../support/client.ts';
import { encodeFrame } from '../support/frame-codec.ts';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.ts';
import { type RawBackendConnection, startRawBackend } from '../support/raw-backend.ts';
import { connectRaw } from '../support/raw-client.ts';
import { sleep } from '../support/wait.ts';

const mib = 1_048_576;
const maxDownstreamBytes = mib;
/** Sockets of this machine may take some MiB themselves, on both sides of the gateway. */
const kernelBytes = 24 * mib;

/** What the process keeps to be used again, for about a second. */
const spareBytes = 32 * mib;
/** A neighbour that is starved waits until the flood ends; how fast one is served is measured by `npm run bench:floods`. */
const servedMs = 1400;

/** Writes the same bytes as fast as they are taken, until it is stopped. */
function flood(link: RawBackendConnection, bytes: Buffer): { readonly taken: () => number; stop(): void } {
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

/** Round trips of a pipe beside the flood, for so long; the slowest 1 of 20 is left out: both ends share the machine with the flood. */
async function slowestRoundTrip(t: TestContext, gateway: GatewayProcess, ms: number): Promise<number> {
  const neighbour = await connect(t, `${gateway.url}/good`);
  const times: number[] = [];
  const until = performance.now() + ms;
  for (let n = 0; performance.now() < until; n += 1) {
    const at = performance.now();
    assert.equal((await neighbour.ask(`${n}`)).text, `${n}`);
    times.push(performance.now() - at);
    await sleep(5);
  }
  neighbour.terminate();
  times.sort((one, other) => one - other);
  return times[Math.floor(times.length * 0.95)] ?? Number.POSITIVE_INFINITY;
}

test('a flood of data toward a client that reads nothing stops at buffer.maxDownstreamBytes', async (t) => {
  const { gateway, flooding } = await start(t);
  const client = await connectRaw(t, { port: gateway.port, path: '/ws/flood' });
  client.pause();
  const before = await gateway.figures();
  const running = flood(await flooding(), encodeFrame({ payload: Buffer.alloc(32_768, 'f') }));
  const slowest = await slowestRoundTrip(t, gateway, 1500);
  const during = await gateway.figures();
  const taken = running.taken();
  running.stop();
  const held = during.heldBytes - before.heldBytes;
  t.diagnostic(
    `${(taken / mib).toFixed(1)} MiB taken, ${(held / mib).toFixed(2)} MiB held, neighbour ${slowest.toFixed(1)} ms`,
  );
  assert.ok(taken < maxDownstreamBytes + kernelBytes, `${taken} bytes were taken from the backend`);
  assert.ok(held < maxDownstreamBytes + 4 * mib + spareBytes, `${held} bytes are held`);
  assert.ok(slowest < servedMs, `a neighbour waited ${slowest} ms`);
});

test('a flood of data to a client that reads passes through, and neighbours are served beside it', async (t) => {
  const { gateway, flooding } = await start(t);
  const client = await connectRaw(t, { port: gateway.port, path: '/ws/flood' });
  client.socket.removeAllListeners('data');
  client.socket.resume();
  const before = await gateway.figures();
  const running = flood(await flooding(), encodeFrame({ payload: Buffer.alloc(1024, 'f') }));
  const slowest = await slowestRoundTrip(t, gateway, 1500);
  const during = await gateway.figures();
  const taken = running.taken();
  running.stop();
  const held = during.heldBytes - before.heldBytes;
  t.diagnostic(
    `${(taken / mib).toFixed(1)} MiB passed, ${(held / mib).toFixed(2)} MiB held, neighbour ${slowest.toFixed(1)} ms`,
  );
  assert.ok(taken > 10 * mib, `${taken} bytes passed`);
  assert.ok(held < maxDownstreamBytes + 8 * mib + spareBytes, `${held} bytes are held`);
  assert.ok(slowest < servedMs, `a neighbour waited ${slowest} ms`);
});

test('a flood of pings from a backend that reads nothing does not pile up pongs; when it reads again its latest ping is answered', async (t) => {
  const { gateway, flooding } = await start(t);
  const client = await connect(t, `${gateway.url}/flood`);
  const link = await flooding();
  const before = await gateway.figures();
  link.pause();
  const pings = Array.from({ length: 1000 }, () => encodeFrame({ opcode: 'ping', payload: Buffer.alloc(125, 'p') }));
  const running = flood(link, Buffer.concat(pings));
  const slowest = await slowestRoundTrip(t, gateway, 2000);
  running.stop();
  const held = (await gateway.figures()).heldBytes - before.heldBytes;
  const sent = running.taken();
  t.diagnostic(
    `${(sent / mib).toFixed(1)} MiB of pings, ${(held / mib).toFixed(2)} MiB held, neighbour ${slowest.toFixed(1)} ms`,
  );
  assert.ok(sent > 2 * kernelBytes, `${sent} bytes were sent: more than the sockets take`);
  assert.ok(held < 4 * mib, `${held} bytes are held`);
  assert.ok(slowest < servedMs, `a neighbour waited ${slowest} ms`);
  await link.ping('the last one');
  link.resume();
  await link.frames.waitFor((frame) => frame.opcode === 10 && frame.text === 'the last one', { timeoutMs: 20_000 });
  await link.sendText('and data');
  await client.waitFor('and data');
});

test('a flood of pongs that nobody asked for is passed over, and its pipe and the others are served', async (t) => {
  const { gateway, flooding } = await start(t);
  const client = await connect(t, `${gateway.url}/flood`);
  const link = await flooding();
  const before = await gateway.figures();
  const one = encodeFrame({ opcode: 'pong', payload: 'flood' });
  const running = flood(link, Buffer.concat(Array.from({ length: 1000 }, () => one)));
  const slowest = await slowestRoundTrip(t, gateway, 1500);
  running.stop();
  await link.sendText('behind the flood');
  await client.waitFor('behind the flood', { timeoutMs: 15_000 });
  const held = (await gateway.figures()).heldBytes - before.heldBytes;
  const sent = running.taken() / one.length;
  t.diagnostic(`${Math.round(sent)} pongs, ${(held / mib).toFixed(2)} MiB held, neighbour ${slowest.toFixed(1)} ms`);
  assert.ok(sent > 10_000, `${sent} were sent`);
  assert.ok(held < 4 * mib, `${held} bytes are held`);
  assert.ok(slowest < servedMs, `a neighbour waited ${slowest} ms`);
  client.send('and back');
  assert.equal((await link.nextMessage()).text, 'and back');
});
