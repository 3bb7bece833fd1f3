/** What a gateway says in the store about its pipes, and what it does when the store says otherwise. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pipeKey } from '../../src/cluster/keys.ts';
import { MemoryHub, MemoryStore } from '../../src/cluster/memory-store.ts';
import { decodeJson, PipeRecord } from '../../src/cluster/records.ts';
import type { Handovers } from '../../src/gateways/handovers.ts';
import { startBackend } from '../support/backend-process.ts';
import { startGateway } from '../support/gateway.ts';
import { connectResumable } from '../support/resume-client.ts';
import { until } from '../support/wait.ts';

const recordOf = async (hub: MemoryHub, pipe: string) => {
  const key = pipeKey(pipe)!;
  await until(() => hub.get(key) !== null, { what: 'the record of the pipe' });
  const { revision, value } = hub.get(key)!;
  return { key, revision, record: decodeJson(PipeRecord, value, 1024)! };
};

test('a gateway that was frozen while another took its pipe closes it, and writes to neither end', async (t) => {
  const backend = await startBackend(t, { echo: true });
  const hub = new MemoryHub();
  const start = () => startGateway(t, { backends: [backend.url], cluster: { store: new MemoryStore(hub) } });
  const first = await start();
  const second = await start();
  const { welcome, client } = await connectResumable(t, first.url);
  const { key, revision, record } = await recordOf(hub, welcome.pipe);
  const other = await connectResumable(t, second.url);
  const { gateway } = (await recordOf(hub, other.welcome.pipe)).record;
  assert.notEqual(gateway, record.gateway);
  const theirs = Buffer.from(JSON.stringify({ ...record, gateway }));
  hub.put(key, { revision: revision + 1, value: theirs }, { ifRevision: revision, ttlMs: 60_000 });
  await (first.manager.claims as Handovers).claims.keep();
  const closed = await first.waitFor('pipe.closed');
  assert.deepEqual([closed.reason, closed.closeCode], ['moved', 1012]);
  assert.equal((await client.closed).code, 1012);
  assert.equal(hub.get(key)!.revision, revision + 1, 'the record of the other is left alone');
});

test('records that the store has lost are written again, and those of dead gateways written over', async (t) => {
  const backend = await startBackend(t, { echo: true });
  const hub = new MemoryHub();
  const gateway = await startGateway(t, { backends: [backend.url], cluster: { store: new MemoryStore(hub) } });
  const { claims } = gateway.manager.claims as Handovers;
  const { welcome } = await connectResumable(t, gateway.url);
  const { key, record } = await recordOf(hub, welcome.pipe);
  hub.remove(key);
  await claims.keep();
  const { revision } = await recordOf(hub, welcome.pipe);
  hub.remove(key);
  const dead = Buffer.from(JSON.stringify({ ...record, gateway: 'gone.abcdef' }));
  hub.put(key, { revision: revision + 5, value: dead }, { ifRevision: 0, ttlMs: 60_000 });
  await claims.keep();
  const owner = () => decodeJson(PipeRecord, hub.get(key)!.value, 1024)?.gateway;
  await until(() => owner() === record.gateway, { what: () => `our record in place of that of ${owner()}` });
  assert.equal(gateway.manager.findPipe(welcome.pipe)?.state, 'open');
});
