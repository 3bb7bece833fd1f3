/** A resumable pipe that goes from one gateway to another; random lives of it are in resume-property.test.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HoldfastEvent } from '../../src/observe/events.ts';
import { FakeResumeWorld } from '../support/fake-resume-world.ts';
import { settle } from '../support/fake-socket.ts';

const KiB = 1024;
const quietMs = 200;
const order = { code: 1012, text: 'moved', maxBytes: 1024 * KiB };

async function newWorld(backends = 2, handshakeMs = 1000): Promise<FakeResumeWorld> {
  const world = new FakeResumeWorld(
    {
      buffer: { maxDownstreamBytes: 100 * KiB },
      drain: { quietMs, tailMs: 2000 },
      closing: { handshakeMs },
      heartbeat: { client: { intervalMs: 0 }, backend: { intervalMs: 0 } },
      pool: { balancing: 'round-robin' },
    },
    backends,
  );
  await world.comeBack();
  assert.equal(world.pipe?.state, 'open');
  return world;
}

/** The client comes to the other gateway, and all that is kept there is acknowledged. */
async function comeElsewhere(world: FakeResumeWorld): Promise<void> {
  world.connect(true);
  for (let round = 0; round < 4; round += 1) {
    await world.comeBack();
    await world.pass(1000);
    world.client.ack();
    world.client.connection?.release();
    await world.pass(200);
    world.check();
  }
}

const closed = (world: FakeResumeWorld) =>
  world.events.filter(({ name }) => name === 'pipe.closed').map(({ event }) => event as HoldfastEvent<'pipe.closed'>);

test('what a backend says until it was quiet, and before its answer to the Close, reaches the client at the next gateway', async () => {
  const world = await newWorld();
  const { client, network } = world;
  const backend = network.links[0]!;
  client.connection!.cut('reset');
  backend.send(100);
  await settle();
  world.connect(true);
  await world.comeBack();
  assert.equal(world.pipe!.state, 'moving');
  for (let n = 0; n < 5; n += 1) {
    backend.send(100);
    await world.pass(quietMs - 60);
    assert.equal(world.pipe!.state, 'moving', 'it is not quiet yet');
  }
  await world.pass(quietMs + 100);
  assert.equal(backend.state, 'dead');
  await comeElsewhere(world);
  assert.deepEqual(
    client.received.map(({ n }) => n),
    [1, 2, 3, 4, 5, 6],
  );
  world.checkWhole();
});

test('a backend that never stops is left after drain.tailMs, and what it had sent until then arrives', async () => {
  const world = await newWorld();
  const backend = world.network.links[0]!;
  void world.park();
  for (let ms = 0; ms < 2500; ms += 100) {
    backend.send(100);
    await world.pass(100);
  }
  assert.equal(backend.state, 'dead');
  assert.ok(backend.sent >= 19, `${backend.sent} messages`);
  await comeElsewhere(world);
  assert.equal(world.client.received.filter(({ source }) => source === backend.id).length, backend.sent);
});

test('more than the bound of the client comes along, to the last message, and the client gets it in order', async () => {
  const world = await newWorld();
  const { client, network } = world;
  client.connection!.cut('reset');
  await settle();
  for (let n = 0; n < 40; n += 1) network.links[0]!.send(10 * KiB);
  await world.pass(50);
  const kept = world.pipe!.downstream.journal!.bytes;
  assert.ok(kept < 200 * KiB, 'the backend is not read any more');
  await comeElsewhere(world);
  assert.equal(client.received.length, 40);
  world.checkWhole();
});

test('Holdfast-Replay tells the next backend what the one before may have had', async () => {
  const world = await newWorld();
  const { client, network } = world;
  const backend = network.links[0]!;
  for (let n = 0; n < 3; n += 1) client.make({ bytes: 50, text: true, parts: 1 });
  client.connection!.release();
  await world.pass(300);
  assert.equal(client.acknowledged, 3);
  // It has these two, and its answer never comes.
  backend.backend.pongMs = null;
  for (let n = 0; n < 2; n += 1) client.make({ bytes: 50, text: true, parts: 1 });
  client.connection!.release();
  await settle();
  assert.deepEqual(backend.received, [1, 2, 3, 4, 5]);
  backend.fail('freeze');
  await comeElsewhere(world);
  const next = network.links[1]!;
  assert.equal(next.replay, 2);
  assert.equal(next.headers['holdfast-generation'], '2');
  assert.deepEqual(next.received, [4, 5]);
  const { undelivered } = closed(world)[0]!;
  assert.equal(undelivered, 0, 'the client has it, and has sent it again');
});

test('the next gateway takes the backend that the pipe had', async () => {
  const world = await newWorld(5);
  for (let round = 0; round < 4; round += 1) await comeElsewhere(world);
  const backends = world.network.links.map(({ backend }) => backend.id);
  assert.equal(backends.length, 5);
  assert.equal(new Set(backends).size, 1, `it went to ${backends}`);
  world.network.backends.find(({ id }) => id === backends[0])!.dialMode = 'refuse';
  await comeElsewhere(world);
  assert.notEqual(world.network.links.at(-1)!.backend.id, backends[0]);
});

test('what is handed over has no token in it, only what a token can be compared with', async () => {
  const world = await newWorld();
  const { token } = world.client;
  void world.park();
  await world.pass(1500);
  const state = world.parked!;
  const written = JSON.stringify(state, (_key, value: unknown) =>
    Buffer.isBuffer(value) ? [value.toString('latin1'), value.toString('base64url')] : value,
  );
  assert.equal(state.rights.tokens.length, 1);
  assert.ok(!written.includes(token) && !written.includes(Buffer.from(token, 'base64url').toString('latin1')));
});

test('more than a hand-over may take along: the pipe ends, and says so', async () => {
  const world = await newWorld();
  const { client, network } = world;
  client.connection!.cut('reset');
  const handedOver = world.pipe!.handOver({ ...order, maxBytes: 50 * KiB });
  await settle();
  for (let n = 0; n < 8; n += 1) network.links[0]!.send(10 * KiB);
  await world.pass(1000);
  assert.equal(await handedOver, null);
  assert.equal(world.closed?.reason, 'hand-over-failed');
  assert.equal(world.pipe!.state, 'closed');
  world.checkEnd();
});

test('a backend that ends the session while it is handed over has ended it', async () => {
  const world = await newWorld();
  const handedOver = world.pipe!.handOver(order);
  await settle();
  world.network.links[0]!.fail('close 4321');
  await world.pass(1500);
  assert.equal(await handedOver, null);
  assert.deepEqual([world.closed?.reason, world.closed?.closeCode], ['closed', 4321]);
});

test('a pipe that was fenced writes to neither end, also when an operator closes it meanwhile', async () => {
  const world = await newWorld();
  const { client, network } = world;
  const backend = network.links[0]!;
  backend.backend.pongMs = null;
  client.make({ bytes: 50, text: true, parts: 1 });
  client.connection!.release();
  await settle();
  const { connection } = client;
  const handedOver = world.pipe!.handOver(order);
  client.make({ bytes: 50, text: true, parts: 1 });
  connection!.release();
  backend.send(100);
  await settle();
  world.pipe!.close({ code: 1000, reason: 'operator', initiator: 'gateway' });
  await world.pass(1500);
  assert.equal(await handedOver, null);
  assert.deepEqual(backend.received, [1]);
  assert.deepEqual(client.received, []);
  assert.equal(world.closed?.reason, 'operator');
  world.client.closed = true;
  world.checkEnd();
});

test('a pipe whose backend is lost meanwhile, or that has none, goes with what there is', async () => {
  const world = await newWorld();
  const { network, client } = world;
  void world.park();
  await settle();
  network.links[0]!.send(100);
  await settle();
  network.links[0]!.fail('reset');
  await settle();
  assert.notEqual(world.parked, null, 'nothing is waited for');
  for (const backend of network.backends) backend.dialMode = 'refuse';
  await comeElsewhere(world);
  assert.equal(client.received.length, 1);
  assert.equal(world.pipe!.state, 'interrupted');
  const before = world.handOvers;
  await comeElsewhere(world);
  assert.equal(world.handOvers, before + 1);
  network.backends[1]!.dialMode = 'accept';
  await world.pass(5000);
  world.checkWhole();
});

test('a backend that goes while the pipe is handed over is not replaced', async () => {
  const world = await newWorld();
  void world.park();
  await settle();
  world.network.links[0]!.fail('close 1012');
  await world.pass(100);
  assert.notEqual(world.parked, null, 'nothing is waited for');
  assert.equal(world.network.links.length, 1);
});

test('what a slow backend had not taken yet when the pipe was fenced, it is not given any more', async () => {
  const world = await newWorld();
  const { client, network } = world;
  const backend = network.links[0]!;
  backend.fail('freeze');
  for (let n = 0; n < 12; n += 1) client.make({ bytes: 60 * KiB, text: false, parts: 1 });
  client.connection!.release();
  await world.pass(200);
  assert.ok(world.pipe!.upstream.journal.hasUnsent);
  const { given } = backend;
  void world.park();
  await settle();
  backend.thaw();
  await world.pass(1500);
  assert.equal(backend.given, given);
  await comeElsewhere(world);
  world.checkWhole();
});

const small = { bytes: 100, text: false, parts: 1 };

async function send(world: FakeResumeWorld): Promise<void> {
  world.client.make(small);
  world.client.connection!.release();
  await settle();
}

test('a backend that stands still while it is left, and answers all in order then, gets nothing twice', async () => {
  const world = await newWorld(2, 5000);
  const [first] = world.network.links;
  await send(world);
  await world.pass(200);
  first!.fail('freeze');
  await send(world);
  await send(world);
  const parked = world.park();
  // Past the time after which an unanswered ping is sent anew.
  await world.pass(2500);
  first!.thaw();
  await world.pass(100);
  await parked;
  await comeElsewhere(world);
  assert.deepEqual([first!.received, world.network.links[1]!.received], [[1, 2, 3], []]);
});

test('a Close of the backend that crosses ours, with the same code, acknowledges nothing: the next one gets it', async () => {
  const world = await newWorld();
  const [first] = world.network.links;
  first!.fail('freeze');
  await send(world);
  first!.failure = { bytes: 1, kind: 'close 1001' };
  const parked = world.park();
  await world.pass(500);
  first!.thaw();
  await world.pass(100);
  await parked;
  await comeElsewhere(world);
  assert.deepEqual([first!.received, world.network.links[1]!.received], [[], [1]]);
});
