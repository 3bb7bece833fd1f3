/** The rule for a second client with the id of a live one, over several gateways. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clientKey, keyKinds, sha256 } from '../../src/cluster/keys.ts';
import { MemoryHub } from '../../src/cluster/memory-store.ts';
import { claimOf, startClaiming, untilClaimed } from '../support/claiming-gateway.ts';
import { until } from '../support/wait.ts';

test('an id is taken over all gateways, and free for all when its client leaves', async (t) => {
  const hub = new MemoryHub();
  const [one, two] = [await startClaiming(t, hub, 'one'), await startClaiming(t, hub, 'two')];
  const first = one.pipe('p1', { principal: 'user-1', openedAt: 7 });
  assert.equal(await one.claims.take(first), true);
  const { gateway, principal, since, state } = claimOf(hub)!;
  assert.deepEqual([gateway, principal, since, state], [one.id, sha256('user-1'), 7, 'held']);
  assert.equal(await two.claims.take(two.pipe('p2', { principal: 'user-1' })), false);
  assert.equal(await two.claims.take(two.pipe('p3', { clientId: 'bert' })), true);
  assert.deepEqual([two.claims.size, first.codes], [1, []]);
  one.claims.free(first);
  await untilClaimed(hub, null);
  assert.equal(await two.claims.take(two.pipe('p4')), true);
  assert.deepEqual([one.claims.size, two.claims.size, one.errors, two.errors], [0, 2, [], []]);
});

test("with 'replace' the older one is closed with 4409, and the newer one has the id", async (t) => {
  const hub = new MemoryHub();
  const one = await startClaiming(t, hub, 'one', 'replace');
  const two = await startClaiming(t, hub, 'two', 'replace');
  const first = one.pipe('p1');
  await one.claims.take(first);
  assert.equal(await two.claims.take(two.pipe('p2')), true);
  assert.deepEqual([first.codes, claimOf(hub)?.pipe, one.claims.size], [[4409], 'p2', 0]);
  await one.claims.keep();
  assert.equal(claimOf(hub)?.pipe, 'p2');
});

for (const onDuplicate of ['reject', 'replace'] as const) {
  test(`of two that come at once to two gateways one has the id, ten times (${onDuplicate})`, async (t) => {
    const hub = new MemoryHub();
    const gateways = [await startClaiming(t, hub, 'one', onDuplicate), await startClaiming(t, hub, 'two', onDuplicate)];
    for (let round = 0; round < 10; round += 1) {
      const clientId = `client-${round}`;
      const pipes = gateways.map((one, at) => one.pipe(`p${round}-${at}`, { clientId }));
      const taken = await Promise.all(gateways.map((one, at) => one.claims.take(pipes[at]!)));
      const left = pipes.filter((pipe, at) => taken[at] && pipe.state !== 'closed');
      assert.equal(left.length, 1, `${taken} ${pipes.map(({ state }) => state)}`);
      await untilClaimed(hub, left[0]!.id, clientId);
    }
  });

  test(`nobody but the same principal takes the place of a client (${onDuplicate})`, async (t) => {
    const hub = new MemoryHub();
    const one = await startClaiming(t, hub, 'one', onDuplicate);
    const two = await startClaiming(t, hub, 'two', onDuplicate);
    const own = one.pipe('p1', { principal: 'user-1' });
    await one.claims.take(own);
    for (const state of ['open', 'detached'] as const) {
      own.state = state;
      assert.equal(await two.claims.take(two.pipe('p2', { principal: 'user-2' })), false);
      assert.equal(await two.claims.take(two.pipe('p3')), false);
    }
    assert.deepEqual(own.codes, []);
    assert.equal(await two.claims.take(two.pipe('p4', { principal: 'user-1' })), true, 'its own, while it is away');
    assert.deepEqual(own.codes, [4409]);
  });

  test(`the id of a gateway that is gone is free, whatever is left of it (${onDuplicate})`, async (t) => {
    const hub = new MemoryHub();
    const one = await startClaiming(t, hub, 'one', onDuplicate);
    const two = await startClaiming(t, hub, 'two', onDuplicate);
    await one.claims.take(one.pipe('p1', { principal: 'user-1' }));
    await until(() => two.membership.isAlive(one.id));
    await one.die();
    await until(() => !two.membership.isAlive(one.id));
    assert.equal(claimOf(hub)?.gateway, one.id);
    assert.equal(await two.claims.take(two.pipe('p2')), true);
    assert.equal(claimOf(hub)?.pipe, 'p2');
  });
}

test('one that is away gives way to its client that comes anew', async (t) => {
  const hub = new MemoryHub();
  const [one, two] = [await startClaiming(t, hub, 'one'), await startClaiming(t, hub, 'two')];
  const away = one.pipe('p1');
  await one.claims.take(away);
  away.state = 'detached';
  assert.equal(await two.claims.take(two.pipe('p2')), true);
  assert.deepEqual([away.codes, claimOf(hub)?.pipe], [[4409], 'p2']);
});

for (const [onDuplicate, taken] of [
  ['reject', false],
  ['replace', true],
] as const) {
  test(`a gateway that does not answer ${taken ? 'loses the id, and closes its client when it finds out' : 'keeps the id'} (${onDuplicate})`, async (t) => {
    const hub = new MemoryHub();
    const one = await startClaiming(t, hub, 'one', onDuplicate);
    const two = await startClaiming(t, hub, 'two', onDuplicate);
    const first = one.pipe('p1', { openedAt: 1 });
    await one.claims.take(first);
    // It knows no such question for a while, and is a member all the same.
    one.claims.stop();
    assert.equal(await two.claims.take(two.pipe('p3', { principal: 'user-2' })), false);
    assert.equal(await two.claims.take(two.pipe('p2', { openedAt: 2 })), taken);
    assert.equal(claimOf(hub)?.pipe, taken ? 'p2' : 'p1');
    one.claims.start();
    await one.claims.keep();
    await until(() => one.claims.size === (taken ? 0 : 1));
    assert.deepEqual(first.codes, taken ? [4409] : []);
    assert.equal(claimOf(hub)?.pipe, taken ? 'p2' : 'p1');
  });
}

for (const waits of [true, false])
  test(`a request that comes late closes nobody who came after it was sent${waits ? ', but where it is asked again' : ''}`, async (t) => {
    const hub = new MemoryHub();
    const one = await startClaiming(t, hub, 'one', 'replace');
    const two = await startClaiming(t, hub, 'two', 'replace');
    const first = one.pipe('p1');
    await one.claims.take(first);
    two.store.hold('publish');
    const asking = two.pipe('p2');
    const taken = two.claims.take(asking);
    await until(() => (two.store.calls.publish ?? 0) > 0);
    first.close({ code: 1000, reason: 'closed', initiator: 'client' });
    const second = one.pipe('p3');
    assert.equal(await one.claims.take(second), true);
    await untilClaimed(hub, 'p3');
    const { publish = 0 } = one.store.calls;
    if (!waits) asking.close({ code: 1006, reason: 'lost', initiator: 'client' });
    two.store.release();
    assert.equal(await taken, true);
    await until(() => (one.store.calls.publish ?? 0) > publish, { what: 'the answer' });
    assert.deepEqual([second.codes, claimOf(hub)?.pipe], waits ? [[4409], 'p2'] : [[], 'p3']);
  });

test('one that left while its id was asked for takes it from nobody who came after it', async (t) => {
  const hub = new MemoryHub();
  const [one, two] = [await startClaiming(t, hub, 'one'), await startClaiming(t, hub, 'two')];
  const away = two.pipe('p1', { principal: 'user-1' });
  await two.claims.take(away);
  away.state = 'detached';
  one.store.hold('put');
  const stranger = one.pipe('p2');
  void one.claims.take(stranger);
  stranger.close({ code: 1006, reason: 'lost', initiator: 'client' });
  const own = one.claims.take(one.pipe('p3', { principal: 'user-1' }));
  one.store.release();
  assert.equal(await own, true);
  assert.deepEqual([one.claims.size, claimOf(hub)?.pipe], [1, 'p3']);
});

test('a client that leaves while its id is asked for waits no longer, and leaves nothing in the store', async (t) => {
  const hub = new MemoryHub();
  const one = await startClaiming(t, hub, 'one');
  one.store.hold('put');
  const pipe = one.pipe('p1');
  const taken = one.claims.take(pipe);
  await until(() => one.store.calls.put === 1);
  pipe.close({ code: 1006, reason: 'lost', initiator: 'client' });
  assert.equal(await taken, true);
  assert.equal(one.claims.size, 0);
  one.store.release();
  await until(() => one.store.calls.remove === 1);
  assert.equal(claimOf(hub), null);
});

test('a gateway gives an id to nobody else, whatever somebody has written into the store', async (t) => {
  const hub = new MemoryHub();
  const one = await startClaiming(t, hub, 'one', 'replace');
  const two = await startClaiming(t, hub, 'two', 'replace');
  const own = one.pipe('p1', { principal: 'user-1' });
  await one.claims.take(own);
  const forged = { ...claimOf(hub)!, principal: sha256('user-2') };
  const { revision } = hub.get(clientKey('anna'))!;
  const condition = { ifRevision: revision, ttlMs: keyKinds.client.ttlMs };
  hub.put(clientKey('anna'), { revision: revision + 1, value: Buffer.from(JSON.stringify(forged)) }, condition);
  assert.equal(await two.claims.take(two.pipe('p2', { principal: 'user-2' })), false);
  assert.deepEqual(own.codes, []);
});

test('what makes no sense in the store is written over', async (t) => {
  const hub = new MemoryHub();
  const one = await startClaiming(t, hub, 'one');
  const value = Buffer.from('{"v":1,"state":"held"}');
  hub.put(clientKey('anna'), { revision: 5, value }, { ifRevision: 0, ttlMs: keyKinds.client.ttlMs });
  assert.equal(await one.claims.take(one.pipe('p1')), true);
  assert.equal(hub.get(clientKey('anna'))?.revision, 6);
});

test('who is overtaken again and again gives up, and keeps nothing', async (t) => {
  const hub = new MemoryHub();
  const one = await startClaiming(t, hub, 'one');
  const key = clientKey('anna');
  let revision = 0;
  const { put } = one.store;
  one.store.put = (...given) => {
    const condition = { ifRevision: revision, ttlMs: keyKinds.client.ttlMs };
    revision += 1;
    hub.put(key, { revision, value: Buffer.from('somebody') }, condition);
    return put.apply(one.store, given);
  };
  assert.equal(await one.claims.take(one.pipe('p1')), false);
  assert.deepEqual([one.claims.size, hub.get(key)?.revision, revision], [0, revision, 4]);
});
