import assert from 'node:assert/strict';
import { test } from 'node:test';
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

test('1,000 numbered messages both ways over 20 random cuts: none lost, none twice, in order', async (t) => {
  const count = 1000;
  const backend = await startBackend(t, {
    record: true,
    echo: false,
    push: { intervalMs: 3, count, bytes: 400, prefix: 'down' },
  });
  const gateway = await startGateway(t, {
    backends: [backend.url],
    heartbeat: { client: { intervalMs: 200, timeoutMs: 600 } },
  });
  const relay = await startRelay(t, { targetPort: gateway.port });
  const client = new ResumingClient(t, `ws://127.0.0.1:${relay.port}/ws`);
  await client.opened();
  let sent = 0;
  const sending = setInterval(() => {
    if (sent >= count) clearInterval(sending);
    else {
      for (let i = 0; i < 2; i += 1) {
        sent += 1;
        client.send(numberedText(sent, 300, 'up'));
      }
    }
  }, 5);
  t.after(() => clearInterval(sending));
  const cuts = { reset: 0, partition: 0, halfClose: 0, 'cut by the client': 0 };
  for (let cut = 0; cut < 20; cut += 1) {
    await sleep(30 + Math.random() * 120);
    const kind = (['reset', 'partition', 'reset', 'cut by the client', 'halfClose'] as const)[cut % 5]!;
    cuts[kind] += 1;
    const { resumes, silences } = client;
    if (kind === 'partition') {
      const detached = gateway.eventsOf('client.detached').length;
      relay.partition((['both', 'toTarget', 'toClient'] as const)[cut % 3]);
      const found = () => client.silences > silences || gateway.eventsOf('client.detached').length > detached;
      await until(found, { what: 'a heartbeat to find the partition' });
      await sleep(Math.random() * 300);
      relay.heal();
    } else if (kind === 'reset') relay.reset();
    else if (kind === 'halfClose') relay.halfClose('toTarget');
    else client.cut();
    await until(() => client.resumes > resumes && client.isOpen, { what: `the resume after cut ${cut + 1} (${kind})` });
  }
  await until(() => sent >= count, { timeoutMs: 10_000 });
  await client.delivered();
  await until(() => numbers(client.texts, 'down').length >= count, {
    timeoutMs: 15_000,
    what: () => `${numbers(client.texts, 'down').length} of ${count} to come down`,
  });
  const clean = { received: count, missing: [], duplicated: [], outOfOrder: [] };
  assert.deepEqual(audit(numbers(client.texts, 'down'), count), clean);
  assert.deepEqual(audit(numbers(backend.receivedTexts(), 'up'), count), clean);
  assert.equal(backend.received().length, 1, 'one connection at the backend');
  assert.deepEqual(client.lost, []);
  assert.ok(client.resumes >= 20, `${client.resumes} resumes`);
  t.diagnostic(
    `${JSON.stringify(cuts)}, ${client.resumes} resumes, ${client.silences} found by silence, 0 lost, 0 twice`,
  );
});

test('cuts while the backend dies and a drain moves the pipe: nothing is lost in either direction of the hop', async (t) => {
  const a = await startBackend(t, { tag: 'a', record: true });
  const b = await startBackend(t, { tag: 'b', record: true });
  const gateway = await startGateway(t, {
    backends: [
      { url: a.url, id: 'a' },
      { url: b.url, id: 'b' },
    ],
    drain: { quietMs: 50, timeoutMs: 4000 },
  });
  const relay = await startRelay(t, { targetPort: gateway.port });
  const client = new ResumingClient(t, `ws://127.0.0.1:${relay.port}/ws`);
  await client.opened();
  let sent = 0;
  const sending = setInterval(() => {
    sent += 1;
    client.send(numberedText(sent, 200, 'up'));
  }, 3);
  t.after(() => clearInterval(sending));
  const [live] = gateway.manager;
  await until(() => client.texts.length > 20);
  // A drain, with a cut before it is over.
  const first = live!.backend!.backend.id;
  await gateway.admin('PATCH', `/backends/${first}`, { adminState: 'draining' });
  relay.reset();
  await gateway.waitFor('pipe.migrated');
  relay.reset();
  await client.opened();
  assert.equal(live!.backend!.backend.id, first === 'a' ? 'b' : 'a');
  await gateway.admin('PATCH', `/backends/${first}`, { adminState: 'enabled' });
  // The backend dies with the client cut off at the same moment; the client is back before the next is there.
  const dying = live!.backend!.backend.id === 'a' ? a : b;
  relay.reset();
  await dying.kill();
  await client.opened();
  await gateway.waitFor('pipe.restored');
  const seen = client.texts.length;
  await until(() => client.texts.length > seen + 20);
  clearInterval(sending);
  await client.delivered();
  const atA = numbers(a.receivedTexts(), 'up');
  const atB = numbers(b.receivedTexts(), 'up');
  const all = new Set([...atA, ...atB]);
  for (let n = 1; n <= sent; n += 1) assert.ok(all.has(n), `message ${n} of ${sent} reached no backend`);
  // What is twice at the backends is a replay; on the client's hop nothing is: each backend has it once and in order.
  for (const one of [atA, atB]) {
    const { duplicated, outOfOrder } = audit(one, sent);
    assert.deepEqual([duplicated, outOfOrder], [[], []]);
  }
  assert.deepEqual(client.lost, []);
});
