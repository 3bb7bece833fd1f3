import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryHub, MemoryStore } from '../../src/cluster/memory-store.ts';
import { startBackend } from '../support/backend-process.ts';
import { startGateway } from '../support/gateway.ts';
import { audit, numberedText, readNumbered } from '../support/numbered.ts';
import { ResumingClient } from '../support/resuming-client.ts';
import { startRelay } from '../support/tcp-relay.ts';
import { sleep, until } from '../support/wait.ts';

const numbers = (texts: readonly string[], prefix: string): number[] =>
  texts.flatMap((text) => {
    const found = readNumbered(text);
    return found?.prefix === prefix ? [found.n] : [];
  });

test('a client that comes back to another gateway each time: none of its 1,000 messages is lost, twice or out of order', async (t) => {
  const count = 1000;
  const backend = await startBackend(t, { record: true, echo: false });
  const hub = new MemoryHub();
  const gateways = [];
  for (let n = 0; n < 3; n += 1) {
    const cluster = { store: new MemoryStore(hub), beatMs: 100, memberTtlMs: 1000 };
    gateways.push(await startGateway(t, { backends: [backend.url], drain: { quietMs: 50, tailMs: 400 }, cluster }));
  }
  const relay = await startRelay(t, { targetPort: gateways[0]!.port });
  const client = new ResumingClient(t, `ws://127.0.0.1:${relay.port}/ws`, { timeoutMs: 3000 });
  await client.opened();
  const { pipe } = client;
  let sent = 0;
  const sending = setInterval(() => {
    for (let i = 0; i < 2 && sent < count; i += 1) {
      sent += 1;
      client.send(numberedText(sent, 300, 'up'));
    }
  }, 5);
  t.after(() => clearInterval(sending));
  let at = 0;
  for (let move = 0; move < 12; move += 1) {
    await sleep(30 + Math.random() * 150);
    const { resumes } = client;
    // Also back to the one it was with, and to one that it left a moment ago.
    at = (at + (move % 4)) % gateways.length;
    relay.retarget(gateways[at]!.port);
    if (move % 3 === 0) client.cut();
    else relay.reset();
    await until(() => client.resumes > resumes && client.isOpen, { what: `the resume after move ${move + 1}` });
  }
  await until(() => sent >= count);
  await client.delivered();
  assert.deepEqual(client.lost, [], 'the session is the same all along');
  assert.equal(client.pipe, pipe);
  const up = audit(numbers(backend.receivedTexts(), 'up'), count);
  assert.deepEqual(up, { received: count, missing: [], duplicated: [], outOfOrder: [] });
  const closed = gateways.flatMap((gateway) => gateway.eventsOf('pipe.closed'));
  assert.ok(closed.length >= 6, `${closed.length} hand-overs`);
  assert.ok(closed.every(({ reason, undelivered }) => reason === 'moved' && undelivered === 0));
  assert.equal(gateways.flatMap((gateway) => [...gateway.manager]).length, 1, 'one gateway has it');
  t.diagnostic(`${closed.length} hand-overs, ${client.resumes} resumes, 0 lost, 0 twice`);
});

test('what backends push while the client moves about reaches it once and in order', async (t) => {
  const count = 600;
  const backend = await startBackend(t, {
    record: true,
    echo: false,
    push: { intervalMs: 3, count, bytes: 400, prefix: 'down' },
  });
  const hub = new MemoryHub();
  const gateways = [];
  for (let n = 0; n < 2; n += 1) {
    const cluster = { store: new MemoryStore(hub), beatMs: 100, memberTtlMs: 1000 };
    gateways.push(await startGateway(t, { backends: [backend.url], drain: { quietMs: 50, tailMs: 400 }, cluster }));
  }
  const relay = await startRelay(t, { targetPort: gateways[0]!.port });
  const client = new ResumingClient(t, `ws://127.0.0.1:${relay.port}/ws`, { timeoutMs: 3000 });
  await client.opened();
  for (let move = 1; move <= 4; move += 1) {
    await sleep(150);
    const { resumes } = client;
    relay.retarget(gateways[move % 2]!.port);
    relay.reset();
    await until(() => client.resumes > resumes && client.isOpen, { what: `the resume after move ${move}` });
  }
  // Each connection to the backend pushes its own count from 1.
  await until(() => numbers(client.texts, 'down').filter((n) => n === count).length > 0, { timeoutMs: 10_000 });
  const down = numbers(client.texts, 'down');
  const streams: number[][] = [];
  for (const n of down) {
    if (n === 1) streams.push([]);
    streams.at(-1)!.push(n);
  }
  assert.equal(streams.length, 5, 'one of each connection, one after the other');
  for (const stream of streams)
    assert.deepEqual(
      stream,
      stream.map((_n, index) => index + 1),
    );
  assert.deepEqual(client.lost, []);
  t.diagnostic(`${streams.map((stream) => stream.length)} messages of five connections, none missing in between`);
});
