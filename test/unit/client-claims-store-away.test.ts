/** The rule for client ids while the store cannot be asked: nobody waits, and what is wrong is put right when it is back. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { clientKey } from '../../src/cluster/keys.ts';
import { MemoryHub } from '../../src/cluster/memory-store.ts';
import { type ClaimingGateway, claimOf, startClaiming, untilClaimed } from '../support/claiming-gateway.ts';
import { until } from '../support/wait.ts';

async function startTwo(t: TestContext, hub: MemoryHub, onDuplicate: 'reject' | 'replace') {
  const gateways = [
    await startClaiming(t, hub, 'one', onDuplicate),
    await startClaiming(t, hub, 'two', onDuplicate),
  ] as const;
  await until(() => gateways.every(({ membership }) => membership.members.length === 2));
  return gateways;
}

async function cutOff(gateways: readonly ClaimingGateway[]): Promise<void> {
  for (const { store } of gateways) store.failure = 'disconnected';
  await until(() => gateways.every(({ membership }) => !membership.up));
}

function connectAgain(gateways: readonly ClaimingGateway[]): void {
  for (const { store } of gateways) store.failure = null;
}

test('without a store nobody is asked, and the claims are written when it is back', async (t) => {
  const hub = new MemoryHub();
  const one = await startClaiming(t, hub, 'one');
  await cutOff([one]);
  const { put } = one.store.calls;
  const [anna, bert] = [one.pipe('p1'), one.pipe('p2', { clientId: 'bert' })];
  assert.deepEqual([await one.claims.take(anna), await one.claims.take(bert)], [true, true]);
  assert.equal(one.store.calls.put, put, 'the store was asked');
  bert.close({ code: 1000, reason: 'closed', initiator: 'client' });
  connectAgain([one]);
  await untilClaimed(hub, 'p1');
  assert.deepEqual([claimOf(hub, 'bert'), one.claims.size, one.errors], [null, 1, []]);
});

for (const [onDuplicate, stays] of [
  ['reject', 'p1'],
  ['replace', 'p2'],
] as const) {
  test(`of two that have the same id when the store is back ${stays === 'p1' ? 'the one it knows' : 'the newer one'} stays (${onDuplicate})`, async (t) => {
    const hub = new MemoryHub();
    const gateways = await startTwo(t, hub, onDuplicate);
    const [one, two] = gateways;
    const [p1, p2] = [one.pipe('p1', { openedAt: 1 }), two.pipe('p2', { openedAt: 2 })];
    await one.claims.take(p1);
    await cutOff(gateways);
    assert.equal(await two.claims.take(p2), true);
    connectAgain(gateways);
    await until(() => p1.codes.length + p2.codes.length > 0);
    await untilClaimed(hub, stays);
    const [kept, closed] = stays === 'p1' ? [p1, p2] : [p2, p1];
    await until(() => one.claims.size + two.claims.size === 1);
    assert.deepEqual([kept.codes, closed.codes], [[], [4409]]);
  });

  test(`of two that have the same id when the store is back and has lost everything one stays (${onDuplicate})`, async (t) => {
    const hub = new MemoryHub();
    const gateways = await startTwo(t, hub, onDuplicate);
    const [one, two] = gateways;
    const pipes = [one.pipe('p1', { openedAt: 1 }), two.pipe('p2', { openedAt: 2 })];
    await one.claims.take(pipes[0]!);
    await cutOff(gateways);
    assert.equal(await two.claims.take(pipes[1]!), true);
    hub.remove(clientKey('anna'));
    connectAgain(gateways);
    await until(() => one.claims.size + two.claims.size === 1);
    const left = pipes.filter(({ state }) => state === 'open');
    assert.equal(left.length, 1);
    if (onDuplicate === 'replace') assert.equal(left[0]!.id, 'p2');
    await untilClaimed(hub, left[0]!.id);
  });
}

test('of two that both came while the store was away one stays', async (t) => {
  const hub = new MemoryHub();
  const gateways = await startTwo(t, hub, 'reject');
  const [one, two] = gateways;
  await cutOff(gateways);
  const pipes = [one.pipe('p1', { openedAt: 5 }), two.pipe('p2', { openedAt: 5 })];
  assert.deepEqual([await one.claims.take(pipes[0]!), await two.claims.take(pipes[1]!)], [true, true]);
  connectAgain(gateways);
  await until(() => one.claims.size + two.claims.size === 1);
  assert.equal(pipes.filter(({ state }) => state === 'open').length, 1);
});

test('a call that fails lets the client in, and is made again soon', async (t) => {
  const hub = new MemoryHub();
  const one = await startClaiming(t, hub, 'one');
  one.store.hold('put');
  const taken = one.claims.take(one.pipe('p1'));
  await until(() => one.store.calls.put === 1);
  one.store.failure = 'timeout';
  one.store.release();
  assert.equal(await taken, true);
  assert.equal(claimOf(hub), null);
  one.store.failure = null;
  await untilClaimed(hub, 'p1');
});

test('a claim that the store has lost is put again, one that was kept alive is not written', async (t) => {
  const hub = new MemoryHub();
  const one = await startClaiming(t, hub, 'one');
  await one.claims.take(one.pipe('p1'));
  const { put } = one.store.calls;
  await one.claims.keep();
  assert.equal(one.store.calls.put, put);
  hub.remove(clientKey('anna'));
  await one.claims.keep();
  await untilClaimed(hub, 'p1');
});

for (const onDuplicate of ['reject', 'replace'] as const)
  test(`what a client has left behind because the store was away keeps nobody from having its id (${onDuplicate})`, async (t) => {
    const hub = new MemoryHub();
    const gateways = await startTwo(t, hub, onDuplicate);
    const [one, two] = gateways;
    const gone = one.pipe('p1', { principal: 'user-1', openedAt: 9 });
    await one.claims.take(gone);
    await cutOff(gateways);
    gone.close({ code: 1000, reason: 'closed', initiator: 'client' });
    // What was to remove it has failed.
    await until(() => one.store.calls['remove'] === 1);
    const early = two.pipe('p2', { openedAt: 1 });
    assert.equal(await two.claims.take(early), true);
    connectAgain(gateways);
    await untilClaimed(hub, 'p2');
    assert.deepEqual(early.codes, []);
    early.close({ code: 1000, reason: 'closed', initiator: 'client' });
    await untilClaimed(hub, null);
  });
