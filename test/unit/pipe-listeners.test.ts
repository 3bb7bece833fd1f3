/** Whoever hears of an event may close, interrupt or end the pipe inside it: nothing is thrown, and nothing is left behind. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { HoldfastOptions } from '../../src/options.ts';
import { settle } from '../support/fake-socket.ts';
import { FakeWorld } from '../support/fake-world.ts';

const KiB = 1024;
const plain = { text: false, parts: 1, pings: false };
const options: HoldfastOptions = {
  pool: { balancing: 'round-robin', ejectAfter: 0, dialTimeoutMs: 1000 },
  buffer: { maxDownstreamBytes: 50 * KiB, maxBytesPerPipe: 450 * KiB, maxTotalBytes: 450 * KiB, onFull: 'close' },
  heartbeat: { client: { intervalMs: 2000 }, backend: { intervalMs: 500 } },
};

/** Heartbeat phases are random in the gateway; here each life is like the one before. */
function seed(t: TestContext): void {
  let state = 1;
  t.mock.method(Math, 'random', () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state / 2 ** 32;
  });
}

/** A life with most of what can happen in it. */
async function live(world: FakeWorld): Promise<void> {
  const { network, client, pipe } = world;
  const present = () => network.links.filter((link) => link.state !== 'dead').at(-1);
  const speak = async (): Promise<void> => {
    client.make(1000, plain);
    client.make(100 * KiB, plain);
    client.release();
    await settle();
  };
  network.backends[0]!.dialMode = 'refuse';
  await world.pass(100);
  await speak();
  pipe.migrate({ cause: 'drain' }, () => {});
  await settle();
  present()?.send(1000);
  await world.pass(3000);
  await speak();
  present()?.fail('reset');
  await world.pass(500);
  pipe.interrupt('operator');
  await world.pass(500);
  for (const backend of network.backends) backend.pongMs = 300;
  await speak();
  pipe.migrate({ cause: 'drain' }, () => {});
  await world.pass(100);
  present()?.fail('close 1012');
  await world.pass(500);
  client.socket.peerReads(false);
  for (let i = 0; i < 3; i += 1) present()?.send(100 * KiB);
  await world.pass(200);
  client.socket.peerReads(true);
  await world.pass(200);
  for (const backend of network.backends) backend.dialMode = 'refuse';
  present()?.fail('fin');
  for (let i = 0; i < 6; i += 1) await speak();
  await world.pass(2500);
  world.heal();
  await world.pass(3000);
  client.close(1000);
  await world.pass(1000);
  if (world.pipe.state !== 'closed') await world.pass(30_000);
  await world.pass(6000);
}

const acts: Readonly<Record<string, (world: FakeWorld) => void>> = {
  close: ({ pipe }) => pipe.close({ code: 1000, reason: 'operator', initiator: 'gateway' }),
  'close without delivery': ({ pipe }) =>
    pipe.close({ code: 1000, reason: 'operator', initiator: 'gateway', deliver: false }),
  terminate: ({ pipe }) => pipe.terminate({ code: 1006, reason: 'shutdown', initiator: 'gateway' }),
  interrupt: ({ pipe }) => void pipe.interrupt('operator'),
  migrate: ({ pipe }) => pipe.migrate({ cause: 'drain' }, () => {}),
};

for (const [what, act] of Object.entries(acts)) {
  test(`a listener may at any event: ${what}`, async (t) => {
    seed(t);
    const calm = new FakeWorld(options, 3);
    await live(calm);
    calm.checkEnd();
    const names = calm.events.map(({ name }) => name);
    const seen = new Map<string, number>();
    // The first two of each kind.
    const moments = names.flatMap((name, at) => {
      const nth = seen.get(name) ?? 0;
      seen.set(name, nth + 1);
      return nth < 2 ? [at] : [];
    });
    const found: string[] = [];
    for (const moment of moments) {
      seed(t);
      const world = new FakeWorld(options, 3);
      let at = 0;
      world.stream.tap(() => {
        at += 1;
        if (at === moment + 1) act(world);
      });
      try {
        await live(world);
        if (world.pipe.state === 'closed' && world.closed === null) {
          // It never opened.
          assert.deepEqual([world.wheel.size, world.budget.usedBytes], [0, 0]);
          for (const { connections, dialing } of world.pool.list()) assert.deepEqual([connections, dialing], [0, 0]);
          if (world.problems.length > 0) throw world.problems[0];
        } else {
          world.checkEnd();
        }
      } catch (error) {
        found.push(`in ${names[moment]} (${moment}): ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    assert.deepEqual(found, []);
  });
}
