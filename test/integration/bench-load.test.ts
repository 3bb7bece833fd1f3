/** The load of the bench must see what a relay does wrong: its figures are worth nothing otherwise. */
import assert from 'node:assert/strict';
import { connect, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { type Load, startLoad } from '../../bench/load/load.ts';

const slice = { warmMs: 50, ms: 200 };

/** A relay that hands what comes from the backend to `spoil` first, after the handshake. @returns its port. */
async function relayTo(
  t: TestContext,
  port: number,
  spoil: (bytes: Buffer, client: Socket) => Buffer,
): Promise<number> {
  const server = createServer((client) => {
    const backend = connect({ port, host: '127.0.0.1' });
    let open = false;
    client.on('data', (bytes) => backend.write(bytes));
    backend.on('data', (bytes) => {
      client.write(open ? spoil(bytes, client) : bytes);
      open = true;
    });
    client.on('error', () => {}).on('close', () => backend.destroy());
    backend.on('error', () => {}).on('close', () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return (server.address() as { port: number }).port;
}

async function connected(t: TestContext, via: (load: Load) => Promise<number>, inFlight = 4): Promise<Load> {
  const load = await startLoad(t);
  await load.connect('one', { port: await via(load), path: '/', count: 3, bytes: 128, inFlight });
  return load;
}

test('every message comes back once, in order and whole, at each size', async (t) => {
  const load = await startLoad(t);
  for (const bytes of [4, 125, 126, 16_384, 65_536, 2 ** 20]) {
    const name = `${bytes}`;
    await load.connect(name, { port: load.ports[0]!, path: '/', count: 3, bytes, inFlight: 3 });
    const { messages, p50Ms, p999Ms, cpuMs, loadCpuMs } = await load.slice(name, [load.pid], slice);
    assert.ok(messages > 3 && p50Ms > 0 && p50Ms <= p999Ms && cpuMs > 0 && loadCpuMs > 0);
    const { clients, lost, wrong, received, backend } = await load.state(name);
    assert.deepEqual([clients, lost, wrong, backend.wrong], [3, 0, 0, 0], name);
    assert.ok(received >= messages);
    await load.close(name);
  }
});

test('a slice may be repeated, and counts only its own messages', async (t) => {
  const load = await connected(t, async ({ ports }) => ports[0]!);
  const first = await load.slice('one', [], slice);
  const second = await load.slice('one', [], slice);
  const { received } = await load.state('one');
  assert.ok(first.messages + second.messages <= received);
  assert.ok(second.wallMs >= slice.ms - 1);
});

test('a changed byte is seen', async (t) => {
  const load = await connected(t, (load) =>
    relayTo(t, load.ports[0]!, (bytes) => {
      const changed = Buffer.from(bytes);
      changed[100] = changed[100]! ^ 1;
      return changed;
    }),
  );
  assert.ok((await load.slice('one', [], slice)).wrong > 0);
});

test('two messages that change places are seen', async (t) => {
  const frame = 2 + 2 + 128;
  const load = await connected(
    t,
    (load) =>
      relayTo(t, load.ports[0]!, (bytes) =>
        bytes.length < 2 * frame
          ? bytes
          : Buffer.concat([bytes.subarray(frame, 2 * frame), bytes.subarray(0, frame), bytes.subarray(2 * frame)]),
      ),
    16,
  );
  assert.ok((await load.slice('one', [], slice)).wrong > 0);
});

test('a connection that ends is seen, and the echoes that do not come end the slice with an error', async (t) => {
  let seen = 0;
  const load = await connected(t, (load) =>
    relayTo(t, load.ports[0]!, (bytes, client) => {
      seen += 1;
      if (seen === 50) client.destroy();
      return bytes;
    }),
  );
  await assert.rejects(load.slice('one', [], slice), /1 connections were lost/);
  assert.equal((await load.state('one')).lost, 1);
});

test('a refused upgrade ends connect with the status', async (t) => {
  const server = createServer((socket) => socket.end('HTTP/1.1 503 Service Unavailable\r\n\r\n'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const load = await startLoad(t);
  const { port } = server.address() as { port: number };
  const init = { port, path: '/', count: 1, bytes: 32, inFlight: 1 };
  await assert.rejects(load.connect('one', init), /503/);
});
