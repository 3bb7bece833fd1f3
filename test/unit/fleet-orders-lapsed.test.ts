/** For some time after a gateway fell silent nobody knows what it has: what is known for certain is done and told all the same. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { examplePipeDetail } from '../../routes/schemas/pipe.ts';
import { StoreFailure } from '../../src/cluster/store.ts';
import { PeerSilent, PipeNotFound } from '../../src/errors.ts';
import type { Fleet } from '../../src/gateways/fleet.ts';
import { FleetOrders } from '../../src/gateways/fleet-orders.ts';
import type { PipeManager } from '../../src/pipe/pipe-manager.ts';
import type { PipeDetail } from '../../src/pipe/views.ts';

const id = 'p-0123456789abcdef0123456789abcdef';
const open: PipeDetail = { ...examplePipeDetail, id };
const closedFor = (reason: string): PipeDetail => ({
  ...open,
  state: 'closed',
  history: [{ at: examplePipeDetail.openedAt, event: 'pipe.closed', fields: { reason } }],
});
const order = { code: 1000, reason: '' };

/** Gateways 'from' and 'to', of which one is lapsed as well; `knows(looks)` is what they know of the pipe at the nth look. */
function ask(
  knows: (looks: number) => Partial<Record<'from' | 'to', PipeDetail>>,
  failure: Error = new PeerSilent('gone', 1000),
) {
  const asked: string[] = [];
  let looks = 0;
  const fleet = {
    id: 'own',
    askAll: async () => {
      looks += 1;
      const answers = Object.entries(knows(looks)).map(([gateway, answer]) => ({ gateway, answer }));
      return { answers, missing: ['gone'], failure };
    },
    ask: async (gateway: string) => {
      asked.push(gateway);
      return null;
    },
  };
  const manager = {
    pipe: () => {
      throw new PipeNotFound(id);
    },
  };
  const orders = new FleetOrders(manager as unknown as PipeManager, fleet as unknown as Fleet);
  return { orders, asked, looked: () => looks };
}

/** Each look at the clock is a second after the one before. */
function hurry(t: TestContext): void {
  let now = 0;
  t.mock.method(performance, 'now', () => {
    now += 1000;
    return now;
  });
}

test('a pipe that is on its way is followed to where it arrives', async () => {
  const { orders, asked } = ask((looks) => (looks === 1 ? { from: closedFor('moved') } : { to: open }));
  await orders.close(id, order);
  assert.deepEqual(asked, ['to']);
});

test('a pipe that is known to be closed for good is not found, at once', async () => {
  const { orders, looked } = ask(() => ({ from: closedFor('client-closed') }));
  await assert.rejects(orders.close(id, order), { code: 'HOLDFAST_ERR_PIPE_NOT_FOUND' });
  assert.equal(looked(), 1);
});

test('a pipe that has left and arrives nowhere may be at the one that is silent', async (t) => {
  hurry(t);
  const { orders, looked } = ask(() => ({ from: closedFor('moved') }));
  await assert.rejects(orders.close(id, order), { code: 'HOLDFAST_ERR_PEER_SILENT' });
  assert.ok(looked() > 1);
});

test('a pipe that nobody knows may be at the one that is silent, and is not looked for again', async () => {
  const { orders, looked } = ask(() => ({}));
  await assert.rejects(orders.close(id, order), { code: 'HOLDFAST_ERR_PEER_SILENT' });
  assert.equal(looked(), 1);
});

test('without the store a pipe that has left is not followed: no other gateway is heard', async () => {
  const { orders, looked } = ask(() => ({ from: closedFor('moved') }), new StoreFailure('disconnected'));
  await assert.rejects(orders.close(id, order), { code: 'HOLDFAST_ERR_STORE_UNAVAILABLE' });
  assert.equal(looked(), 1);
});
