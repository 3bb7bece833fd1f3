/** A gateway knows who else is there, when it cannot know it, and when all is to be looked at again. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Membership } from '../../src/cluster/membership.ts';
import { MemoryHub } from '../../src/cluster/memory-store.ts';
import type { GatewayFacts } from '../../src/cluster/records.ts';
import { StoreFailure } from '../../src/cluster/store.ts';
import { UnsteadyStore } from '../support/unsteady-store.ts';
import { until } from '../support/wait.ts';

const facts: GatewayFacts = { v: 1, name: 'gw', address: '', version: '1', startedAt: 1, pipes: 0, closing: false };

function join(t: TestContext, hub: MemoryHub, id: string, beatMs = 10, memberTtlMs = 500) {
  const store = new UnsteadyStore(hub);
  const events: string[] = [];
  const looks: string[] = [];
  const errors: unknown[] = [];
  const degradedAt: number[] = [];
  const membership = new Membership({
    store,
    id,
    facts: () => facts,
    beatMs,
    memberTtlMs,
    events: {
      emit: (name: string, event: { reason?: string; gatewayId?: string; degradedMs?: number }) => {
        if (name === 'cluster.degraded') degradedAt.push(store.calls.beat ?? 0);
        events.push([name, event.reason ?? event.gatewayId].filter((one) => one !== undefined).join(' '));
      },
    },
    onError: (error) => errors.push(error),
  });
  membership.onLook((reason) => looks.push(reason));
  t.after(() => membership.stop());
  return { membership, store, events, looks, errors, degradedAt };
}

test('who beats is known to the others, and who stops is not', async (t) => {
  const hub = new MemoryHub();
  const one = join(t, hub, 'one.aaaaaa');
  const two = join(t, hub, 'two.bbbbbb');
  assert.equal(one.membership.up, false);
  await one.membership.start();
  assert.equal(one.membership.up, true);
  assert.deepEqual(one.looks, ['started']);
  await two.membership.start();
  await until(() => one.membership.isAlive('two.bbbbbb'));
  assert.deepEqual(
    one.membership.members.map(({ id, facts: said }) => [id, said]),
    [
      ['one.aaaaaa', facts],
      ['two.bbbbbb', facts],
    ],
  );
  await two.membership.stop();
  await until(() => !one.membership.isAlive('two.bbbbbb'));
  assert.deepEqual(one.events, ['cluster.joined two.bbbbbb', 'cluster.left two.bbbbbb']);
  assert.deepEqual(one.looks, ['started']);
});

test('who came since the last beat is not taken for dead', async (t) => {
  const hub = new MemoryHub();
  const one = join(t, hub, 'one.aaaaaa', 60_000);
  const two = join(t, hub, 'two.bbbbbb', 60_000);
  await one.membership.start();
  await two.membership.start();
  assert.equal(one.membership.isAlive('two.bbbbbb'), false);
  assert.equal(await one.membership.findAlive('two.bbbbbb'), true);
  assert.equal(await one.membership.findAlive('three.cccccc'), false);
  const { beat } = one.store.calls;
  await two.membership.stop();
  assert.equal(await one.membership.findAlive('three.cccccc'), false);
  assert.equal(one.store.calls.beat, beat! + 1);
  assert.equal(await one.membership.findAlive('two.bbbbbb'), false);
  assert.equal(one.store.calls.beat, beat! + 1, 'one that is known to have left was asked for again');
});

test('who came since the last beat is not taken for dead either where the store does not say who is there', async (t) => {
  const hub = new MemoryHub();
  const one = join(t, hub, 'one.aaaaaa', 60_000);
  const two = join(t, hub, 'two.bbbbbb', 60_000);
  await one.membership.start();
  await two.membership.start();
  one.store.failure = 'timeout';
  await assert.rejects(one.membership.findAlive('two.bbbbbb'), (error) => {
    return error instanceof StoreFailure && error.reason === 'timeout';
  });
  assert.equal(one.membership.up, true, 'one beat may fail');
  one.store.failure = null;
  assert.equal(await one.membership.findAlive('two.bbbbbb'), true);
});

test('one beat may fail, two make it degraded; the first that is answered ends that, and all is looked at again', async (t) => {
  const { membership, store, events, looks, degradedAt } = join(t, new MemoryHub(), 'one.aaaaaa');
  await membership.start();
  const begun = store.calls.beat!;
  store.failure = 'timeout';
  await until(() => !membership.up);
  assert.deepEqual(degradedAt, [begun + 2], 'number of beats after which it was degraded');
  assert.equal(membership.failure, 'timeout');
  assert.equal(membership.isAlive('one.aaaaaa'), true, 'what was known last is forgotten');
  store.failure = 'full';
  await until(() => membership.failure === 'full');
  await assert.rejects(membership.findAlive('x.aaaaaa'), (error) => error instanceof StoreFailure);
  store.failure = null;
  await until(() => membership.up);
  assert.equal(membership.failure, null);
  assert.deepEqual(events, ['cluster.degraded timeout', 'cluster.recovered']);
  assert.deepEqual(looks, ['started', 'recovered']);
});

test('without a store at the start it is degraded at once, and begins when there is one', async (t) => {
  const { membership, store, events, looks } = join(t, new MemoryHub(), 'one.aaaaaa');
  store.failure = 'denied';
  await membership.start();
  assert.deepEqual([membership.up, membership.failure, events], [false, 'denied', ['cluster.degraded denied']]);
  store.failure = null;
  await until(() => membership.up);
  assert.deepEqual(looks, ['recovered']);
});

test('a store that has forgotten it is looked at again', async (t) => {
  const hub = new MemoryHub();
  const { membership, looks } = join(t, hub, 'one.aaaaaa');
  await membership.start();
  hub.leave('one.aaaaaa');
  await until(() => looks.length > 1);
  assert.deepEqual(looks, ['started', 'forgotten']);
});

test('who falls silent is known as lapsed until it is back, or five minutes are over; who leaves is not', async (t) => {
  const hub = new MemoryHub();
  const one = join(t, hub, 'one.aaaaaa', 10, 2000);
  const two = join(t, hub, 'two.bbbbbb', 10, 2000);
  const three = join(t, hub, 'three.cccccc', 10, 2000);
  for (const { membership } of [one, two, three]) await membership.start();
  await until(() => one.membership.members.length === 3);
  two.store.failure = 'disconnected';
  await three.membership.stop();
  await until(() => one.membership.members.length === 1);
  assert.deepEqual(one.membership.lapsed, ['two.bbbbbb']);
  two.store.failure = null;
  await until(() => one.membership.isAlive('two.bbbbbb'));
  assert.deepEqual(one.membership.lapsed, []);

  two.store.failure = 'disconnected';
  await until(() => one.membership.lapsed.length === 1);
  const now = performance.now();
  t.mock.method(performance, 'now', () => now + 301_000);
  assert.deepEqual(one.membership.lapsed, []);
});

test('who falls silent when it was about to end is not known as lapsed', async (t) => {
  const hub = new MemoryHub();
  const { membership } = join(t, hub, 'one.aaaaaa');
  hub.beat('two.bbbbbb', Buffer.from(JSON.stringify({ ...facts, closing: true })), 200);
  await membership.start();
  assert.equal(membership.isAlive('two.bbbbbb'), true);
  await until(() => !membership.isAlive('two.bbbbbb'));
  assert.deepEqual(membership.lapsed, []);
});

test('where a store has lost all, those that have not come back yet are still there, until they were silent for too long', async (t) => {
  const hub = new MemoryHub();
  const one = join(t, hub, 'one.aaaaaa', 10, 2000);
  const two = join(t, hub, 'two.bbbbbb', 10, 2000);
  const lost = join(t, hub, 'lost.cccccc', 10, 2000);
  for (const { membership } of [one, two, lost]) await membership.start();
  await until(() => one.membership.members.length === 3);
  for (const { store } of [two, lost]) store.failure = 'disconnected';
  for (const id of ['one.aaaaaa', 'two.bbbbbb', 'lost.cccccc']) hub.leave(id);
  await until(() => one.looks.includes('forgotten'));
  const { beat } = one.store.calls;
  await until(() => one.store.calls.beat! > beat! + 2);
  assert.equal(await one.membership.findAlive('two.bbbbbb'), true);
  assert.deepEqual(
    one.membership.members.map(({ id }) => id),
    ['lost.cccccc', 'one.aaaaaa', 'two.bbbbbb'],
  );
  two.store.failure = null;
  // Forgotten again and again, it does not take the one that is lost for there for ever.
  await until(() => {
    hub.leave('one.aaaaaa');
    return !one.membership.isAlive('lost.cccccc');
  });
  assert.equal(await one.membership.findAlive('lost.cccccc'), false);
  assert.equal(one.membership.isAlive('two.bbbbbb'), true);
  assert.deepEqual(one.membership.lapsed, ['lost.cccccc']);
  assert.deepEqual(one.events.slice(-1), ['cluster.left lost.cccccc']);
  assert.deepEqual(
    one.events.filter((event) => event.includes('two')),
    ['cluster.joined two.bbbbbb'],
  );
});

test('who stops while a beat is under way does not come back', async (t) => {
  const hub = new MemoryHub();
  const { membership, store } = join(t, hub, 'one.aaaaaa');
  await membership.start();
  store.hold();
  const before = store.calls.beat!;
  await until(() => store.calls.beat! > before);
  const stopped = membership.stop();
  store.release();
  await stopped;
  assert.deepEqual(hub.beat('two.bbbbbb', Buffer.alloc(0), 1000).members.length, 1);
  assert.equal(membership.up, false);
});

test('what another gateway says of itself is checked: nonsense is no fact, and a strange id is nobody', async (t) => {
  const hub = new MemoryHub();
  hub.beat('new.zzzzzz', Buffer.from('{"v":2}'), 60_000);
  hub.beat('../etc', Buffer.from(JSON.stringify(facts)), 60_000);
  const { membership, errors } = join(t, hub, 'one.aaaaaa');
  await membership.start();
  assert.deepEqual(
    membership.members.map(({ id, facts: said }) => [id, said !== null]),
    [
      ['new.zzzzzz', false],
      ['one.aaaaaa', true],
    ],
  );
  assert.deepEqual(errors, []);
});

test('a listener that throws is told to us, and keeps nobody else from looking', async (t) => {
  const { membership, errors, looks } = join(t, new MemoryHub(), 'one.aaaaaa');
  const failure = new Error('mine');
  const stop = membership.onLook(() => {
    throw failure;
  });
  membership.onLook((reason) => looks.push(`second ${reason}`));
  await membership.start();
  assert.deepEqual(looks, ['started', 'second started']);
  assert.deepEqual(errors, [failure]);
  stop();
});
