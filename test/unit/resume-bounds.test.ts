/** A resumable session at its bounds; the random lives of resume-property.test.ts found both. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeResumeWorld } from '../support/fake-resume-world.ts';

const KiB = 1024;

function newWorld(): FakeResumeWorld {
  const maxBytesPerPipe = 450 * KiB;
  return new FakeResumeWorld(
    {
      buffer: { maxBytesPerPipe, maxTotalBytes: 4 * maxBytesPerPipe, maxDownstreamBytes: 100 * KiB },
      heartbeat: { client: { intervalMs: 0 }, backend: { intervalMs: 0 } },
    },
    1,
  );
}

/** The client sends as many bytes of messages as it may keep, and acknowledges what comes in each round. @returns how many it sent. */
async function exchangeAll(
  world: FakeResumeWorld,
  { bytes, parts, rounds }: { bytes: number; parts: number; rounds: number },
): Promise<number> {
  const { client } = world;
  const count = Math.floor(client.maxBufferBytes / bytes);
  for (let n = 0; n < count; n += 1) client.make({ bytes, text: false, parts });
  client.connection?.release();
  // An ack at once would have to stand before what is not read.
  await world.pass(100);
  for (let round = 0; round < rounds; round += 1) {
    client.ack();
    client.connection?.release();
    await world.pass(200);
    world.check();
  }
  world.checkWhole();
  return count;
}

test('both directions full: the acks of the client are found behind its messages, and all goes on', async () => {
  const world = newWorld();
  const { client, network } = world;
  network.backends[0]!.echo = true;
  await world.comeBack();
  // With their frames, which count too, that is over the bound.
  const count = await exchangeAll(world, { bytes: 100, parts: 4, rounds: 20 });
  assert.equal(client.received.length, count);
});

test('who hears that a client is too slow may close the pipe: the Close stands between two messages', async () => {
  const world = newWorld();
  const { client, network } = world;
  await world.comeBack();
  world.stream.on('pipe.paused', () => world.pipe?.close({ code: 4000, reason: 'operator', initiator: 'gateway' }));
  network.links[0]!.send(200 * KiB, { parts: 3 });
  await world.pass(100);
  assert.equal(client.problem, null);
  assert.deepEqual(client.codes, [4000]);
  assert.equal(client.received.length, 1);
});

test('regression: a client that was told a larger bound before it was lowered still has its ack within what it may keep', async () => {
  const world = newWorld();
  const { client, network } = world;
  network.backends[0]!.echo = true;
  await world.comeBack();
  let detached = 0;
  world.stream.on('client.detached', () => {
    detached += 1;
  });
  Object.assign(world.limits, { maxBytesPerPipe: 150 * KiB });
  world.pipe?.limitsChanged();
  const count = await exchangeAll(world, { bytes: 4 * KiB, parts: 1, rounds: 50 });
  assert.deepEqual([client.received.length, detached], [count, 0]);
});
