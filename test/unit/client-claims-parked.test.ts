/** The client id of a pipe that goes from one gateway to another. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { blobKey, pipeKey } from '../../src/cluster/keys.ts';
import { MemoryHub } from '../../src/cluster/memory-store.ts';
import type { PipeRecord } from '../../src/cluster/records.ts';
import { claimOf, startClaiming, untilClaimed } from '../support/claiming-gateway.ts';
import { until } from '../support/wait.ts';

const windowMs = 60_000;

/** A gateway that has parked the pipe p1 of anna, and is gone. */
async function parkAndEnd(t: TestContext, hub: MemoryHub, onDuplicate: 'reject' | 'replace' = 'reject') {
  const gone = await startClaiming(t, hub, 'gone', onDuplicate);
  const pipe = gone.pipe('p1', { principal: 'user-1' });
  await gone.claims.take(pipe);
  gone.claims.leaving(pipe);
  pipe.close({ code: 1012, reason: 'moved', initiator: 'gateway' });
  assert.equal(claimOf(hub)?.pipe, 'p1', 'it takes its id along');
  const fence = 7;
  const record: PipeRecord = {
    v: 1,
    state: 'parked',
    gateway: gone.id,
    fence,
    blobBytes: 1,
    backend: null,
    tokens: [],
  };
  const condition = { ifRevision: 0, ttlMs: windowMs };
  hub.put(pipeKey('p1')!, { revision: 8, value: Buffer.from(JSON.stringify(record)) }, condition);
  hub.put(blobKey('p1', fence), { revision: fence, value: Buffer.from('x') }, condition);
  await gone.claims.parked(pipe, windowMs);
  assert.deepEqual([claimOf(hub)?.state, gone.claims.size], ['parked', 0]);
  await gone.die();
  return { blob: blobKey('p1', fence), key: pipeKey('p1')! };
}

/** The gateway has taken the parked pipe, and has not begun to serve it. */
function fetchParked(hub: MemoryHub, key: string, gateway: string): void {
  const { revision, value } = hub.get(key)!;
  const held = { ...(JSON.parse(value.toString()) as PipeRecord), state: 'held', gateway };
  const condition = { ifRevision: revision, ttlMs: windowMs };
  hub.put(key, { revision: revision + 1, value: Buffer.from(JSON.stringify(held)) }, condition);
}

test('a parked pipe is adopted with its id', async (t) => {
  const hub = new MemoryHub();
  await parkAndEnd(t, hub);
  const two = await startClaiming(t, hub, 'two');
  const adopted = two.pipe('p1', { principal: 'user-1' });
  two.claims.adopted(adopted);
  await until(() => claimOf(hub)?.gateway === two.id);
  assert.deepEqual([claimOf(hub)?.state, adopted.codes], ['held', []]);
  adopted.close({ code: 1000, reason: 'closed', initiator: 'client' });
  await untilClaimed(hub, null);
});

test('the client of a parked pipe that comes without its token has lost that session', async (t) => {
  const hub = new MemoryHub();
  const { key, blob } = await parkAndEnd(t, hub);
  const two = await startClaiming(t, hub, 'two');
  assert.equal(await two.claims.take(two.pipe('p2', { principal: 'user-1' })), true);
  assert.deepEqual([hub.get(key), hub.get(blob), claimOf(hub)?.pipe], [null, null, 'p2']);
});

for (const onDuplicate of ['reject', 'replace'] as const)
  test(`nobody else takes the id of a parked pipe, though its gateway is gone (${onDuplicate})`, async (t) => {
    const hub = new MemoryHub();
    const { key, blob } = await parkAndEnd(t, hub, onDuplicate);
    const two = await startClaiming(t, hub, 'two', onDuplicate);
    assert.equal(await two.claims.take(two.pipe('p2', { principal: 'user-2' })), false);
    assert.equal(await two.claims.take(two.pipe('p3')), false);
    assert.ok(hub.get(key) !== null && hub.get(blob) !== null && claimOf(hub)?.pipe === 'p1');
  });

test('of a pipe that is being adopted and a client that comes anew at the same time one has the id', async (t) => {
  const hub = new MemoryHub();
  const { key } = await parkAndEnd(t, hub);
  const [two, three] = [await startClaiming(t, hub, 'two'), await startClaiming(t, hub, 'three')];
  fetchParked(hub, key, two.id);
  two.store.hold('put');
  two.claims.adopted(two.pipe('p1', { principal: 'user-1' }));
  assert.equal(await three.claims.take(three.pipe('p2', { principal: 'user-1' })), false, 'its client is back');
  assert.ok(hub.get(key) !== null);
  two.store.release();
  await until(() => claimOf(hub)?.gateway === two.id);
});

for (const own of [true, false])
  test(`a parked pipe that ${own ? 'we have' : 'another gateway has'} taken and never got whole keeps nobody from having its id`, async (t) => {
    const hub = new MemoryHub();
    const { key } = await parkAndEnd(t, hub);
    const [two, three] = [await startClaiming(t, hub, 'two'), await startClaiming(t, hub, 'three')];
    fetchParked(hub, key, two.id);
    const gateway = own ? two : three;
    assert.equal(await gateway.claims.take(gateway.pipe('p2', { principal: 'user-1' })), true);
    assert.equal(claimOf(hub)?.pipe, 'p2');
  });

for (const [onDuplicate, stays] of [
  ['reject', 'p2'],
  ['replace', 'p1'],
] as const)
  test(`an adopted pipe whose id somebody else has meanwhile ${stays === 'p1' ? 'takes it back: its client came last' : 'is closed'} (${onDuplicate})`, async (t) => {
    const hub = new MemoryHub();
    const two = await startClaiming(t, hub, 'two', onDuplicate);
    const three = await startClaiming(t, hub, 'three', onDuplicate);
    const other = three.pipe('p2', { openedAt: Date.now() - 1000 });
    await three.claims.take(other);
    const adopted = two.pipe('p1', { openedAt: 1 });
    two.claims.adopted(adopted);
    await until(() => other.codes.length + adopted.codes.length > 0);
    await untilClaimed(hub, stays);
    const [kept, closed] = stays === 'p1' ? [adopted, other] : [other, adopted];
    assert.deepEqual([kept.codes, closed.codes], [[], [4409]]);
  });

test('a pipe that was asked for and could not be parked leaves nothing behind', async (t) => {
  const hub = new MemoryHub();
  const one = await startClaiming(t, hub, 'one');
  const pipe = one.pipe('p1');
  await one.claims.take(pipe);
  one.claims.leaving(pipe);
  pipe.close({ code: 1012, reason: 'hand-over-failed', initiator: 'gateway' });
  one.claims.dropped(pipe);
  await untilClaimed(hub, null);
  assert.equal(one.claims.size, 0);
});
