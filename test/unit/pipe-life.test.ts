/** Lives of a pipe that a random one once did not survive, and some that tell how the fake wire is used. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HoldfastOptions } from '../../src/options.ts';
import { settle } from '../support/fake-socket.ts';
import { FakeWorld } from '../support/fake-world.ts';

const KiB = 1024;
const plain = { text: false, parts: 1, pings: false };

async function open(options: HoldfastOptions = {}): Promise<FakeWorld> {
  const world = new FakeWorld({ pool: { balancing: 'round-robin', ejectAfter: 0 }, ...options }, 3);
  await settle();
  assert.equal(world.pipe.state, 'open');
  return world;
}

async function end(world: FakeWorld): Promise<void> {
  world.client.close(1000);
  await world.pass(12_000);
  world.checkEnd();
}

test('a backend that dies at any byte of a message: the next gets what was not acknowledged, and is told', async () => {
  for (const bytes of [1, 5, 6, 100, 5000, 20_000, 20_013, 20_014, 20_015]) {
    const world = await open();
    const [first] = world.network.links;
    first!.failure = { bytes, kind: 'reset' };
    world.client.make(20_000, plain);
    world.client.make(20_000, { text: true, parts: 3, pings: true });
    world.client.release();
    await settle();
    const second = world.network.links[1]!;
    assert.deepEqual(second.received, [1, 2]);
    // The second of them may have waited for the first to be taken.
    assert.ok(first!.given >= 1);
    assert.equal(second.replay, first!.given);
    assert.deepEqual(first!.received, bytes < 20_008 ? [] : [1]);
    await end(world);
    assert.equal(world.closed?.undelivered, 0);
  }
});

test('a client that closes while its backend is dead is delivered to the next', async () => {
  const world = await open();
  for (const backend of world.network.backends) backend.dialMode = { slowMs: 500 };
  world.network.links[0]!.fail('reset');
  await settle();
  for (let i = 0; i < 10; i += 1) world.client.make(1000, plain);
  world.client.close(1000);
  await world.pass(200);
  assert.equal(world.client.state, 'gone', 'its Close was answered at once');
  assert.equal(world.pipe.state, 'closing');
  await world.pass(1500);
  assert.equal(world.closed?.undelivered, 0);
  await end(world);
});

test('regression: a pipe that was closing and delivers at its last attach does not open again', async () => {
  const world = await open({ delivery: 'at-most-once' });
  for (const backend of world.network.backends) backend.dialMode = { slowMs: 500 };
  world.network.links[0]!.fail('reset');
  await settle();
  world.client.make(1000, plain);
  world.client.release();
  await settle();
  // A client that does not read: it is still there when the backend is found.
  world.client.silent = true;
  world.client.socket.peerReads(false);
  world.pipe.close({ code: 1000, reason: 'operator', initiator: 'gateway' });
  await world.pass(1000);
  assert.equal(world.pipe.state, 'closing');
  assert.deepEqual(world.network.links[1]!.received, [1]);
  await end(world);
  assert.equal(world.closed?.undelivered, 0);
});

test('regression: no migration while a replay is not out yet, since the next would not be told of it', async () => {
  const world = await open();
  const [first] = world.network.links;
  for (const backend of world.network.backends) backend.pongMs = null;
  for (let i = 0; i < 3; i += 1) world.client.make(150 * KiB, plain);
  world.client.release();
  await settle();
  // The second takes nothing: what the first was given waits.
  for (const backend of world.network.backends) backend.nextFailure = { bytes: 1, kind: 'freeze' };
  first!.fail('reset');
  await settle();
  let moved: string | undefined;
  world.pipe.migrate({ cause: 'drain' }, (result) => {
    moved = result;
  });
  await settle();
  assert.equal(moved, 'stayed');
  assert.equal(world.network.links.length, 2);
  world.heal();
  await world.pass(1000);
  world.pipe.migrate({ cause: 'drain' }, (result) => {
    moved = result;
  });
  await world.pass(1000);
  assert.equal(moved, 'moved');
  world.check();
  await end(world);
});

test("regression: a backend's Close that crossed ours acknowledges nothing", async () => {
  const world = await open({ closing: { lingerMs: 0 } });
  const [first] = world.network.links;
  first!.backend.pongMs = null;
  for (let i = 0; i < 3; i += 1) world.client.make(100, plain);
  world.client.release();
  await settle();
  first!.fail('close 1012');
  world.pipe.close({ code: 1000, reason: 'operator', initiator: 'gateway' });
  await settle();
  await end(world);
  assert.equal(world.closed?.undelivered, 3);
});

test('regression: nor does one with our own code, where the pong that is due before the answer has not come', async () => {
  const world = await open({ closing: { lingerMs: 0 } });
  const [first] = world.network.links;
  first!.fail('freeze');
  for (let i = 0; i < 3; i += 1) world.client.make(100, plain);
  world.client.release();
  await settle();
  first!.failure = { bytes: 1, kind: 'close 1001' };
  world.pipe.close({ code: 1000, reason: 'operator', initiator: 'gateway' });
  await settle();
  first!.thaw();
  await settle();
  await end(world);
  assert.deepEqual(first!.received, []);
  assert.equal(world.closed?.undelivered, 3);
});

test('the answer to our Close acknowledges what was before it', async () => {
  const world = await open({ closing: { lingerMs: 0 } });
  // The second so soon after the first that no ping goes with it.
  for (let i = 0; i < 2; i += 1) {
    world.client.make(100, plain);
    world.client.release();
    await settle();
  }
  await end(world);
  assert.deepEqual([world.closed?.messagesToBackend, world.closed?.undelivered], [2, 0]);
});

test('regression: with no backend to come the bytes are let go at once, not when the client has gone', async () => {
  const world = await open({ failover: { maxInterruptionMs: 2000 } });
  for (const backend of world.network.backends) backend.dialMode = 'refuse';
  world.network.links[0]!.fail('reset');
  await settle();
  for (let i = 0; i < 4; i += 1) world.client.make(100 * KiB, plain);
  world.client.release();
  world.client.silent = true;
  await world.pass(1000);
  assert.ok(world.budget.usedBytes > 400 * KiB);
  await world.pass(1500);
  assert.equal(world.pipe.state, 'closing', 'the client has not answered our Close');
  assert.equal(world.budget.usedBytes, 0);
  await end(world);
  assert.deepEqual([world.closed?.reason, world.closed?.undelivered], ['interruption-too-long', 4]);
});

test('a backend that another pipe has proved wakes the waiting one at once, though it was tried in vain', async () => {
  const world = await open();
  for (const backend of world.network.backends) backend.dialMode = 'refuse';
  world.network.links[0]!.fail('reset');
  // By then it waits for two seconds after each round.
  await world.pass(10_000);
  for (const backend of world.network.backends) backend.dialMode = 'accept';
  const other = world.pool.lease({ clientId: 'other' })!;
  await world.pass(50);
  assert.equal(world.pipe.state, 'interrupted');
  other.proved();
  await settle();
  assert.equal(world.pipe.state, 'open');
  other.release();
  await end(world);
});

test('a slow client that vanishes while backends are not read: what it sent is still acknowledged', async () => {
  const world = await open({ buffer: { maxDownstreamBytes: 20 * KiB } });
  const [first] = world.network.links;
  world.client.socket.peerReads(false);
  for (let i = 0; i < 6; i += 1) first!.send(100 * KiB);
  await settle();
  assert.equal(world.pipe.backend?.link.paused, true);
  world.client.make(1000, plain);
  world.client.release();
  await settle();
  world.client.lose('reset');
  await world.pass(500);
  assert.equal(world.closed?.undelivered, 0);
  await end(world);
});

test('a client that closes during a migration: what was held is delivered', async () => {
  const world = await open();
  const [first] = world.network.links;
  first!.backend.pongMs = 300;
  world.client.make(100, plain);
  world.client.release();
  await settle();
  world.pipe.migrate({ cause: 'drain' }, () => {});
  await settle();
  assert.equal(world.pipe.state, 'migrating');
  world.client.make(100, plain);
  world.client.close(1000);
  await world.pass(2000);
  assert.equal(world.closed?.undelivered, 0);
  await end(world);
});

test('a migration: the old backend is read out before the new one, nothing comes twice', async () => {
  const world = await open();
  const [first] = world.network.links;
  for (let i = 0; i < 3; i += 1) world.client.make(100, plain);
  world.client.release();
  await settle();
  world.pipe.migrate({ cause: 'drain' }, () => {});
  await settle();
  const second = world.network.links[1]!;
  second.send(50);
  await settle();
  first!.send(50);
  world.client.make(100, plain);
  world.client.release();
  await settle();
  first!.send(50);
  await world.pass(3000);
  assert.deepEqual(
    world.client.received.map(({ source }) => source),
    [1, 1, 2],
  );
  assert.deepEqual([first!.received, second.received, second.replay], [[1, 2, 3], [4], 0]);
  await end(world);
});

test('regression: a listener that closes the pipe when it is paused puts no Close inside a message', async () => {
  const world = await open();
  let ordered = 0;
  world.stream.on('pipe.paused', () => {
    ordered += 1;
    world.pipe.close({ code: 1000, reason: 'operator', initiator: 'gateway' });
  });
  world.client.make(100 * KiB, plain);
  world.client.release(90_000, 10_000);
  await settle();
  // Others fill the process while the message is on its way.
  const others = world.budget.maxBytes;
  world.budget.change(others);
  world.client.release();
  await settle();
  world.budget.change(-others);
  await world.pass(1000);
  assert.equal(ordered, 1);
  await end(world);
  assert.deepEqual([world.network.links[0]!.received, world.closed?.undelivered], [[1], 0]);
});
