/** The connections to Redis, on clients that answer only when the test says so. */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import type { RedisClient } from '../../src/cluster/redis/redis-client.ts';
import { RedisConnection } from '../../src/cluster/redis/redis-connection.ts';
import { StoreFailure } from '../../src/cluster/store.ts';
import { makeStandStill } from '../support/stand-still.ts';
import { type Deferred, deferred, until } from '../support/wait.ts';

class FakeClient extends EventEmitter implements RedisClient {
  isOpen = true;
  isReady = true;
  destroyed = false;
  answersPings = true;
  pings = 0;
  readonly orders: { readonly what: string; readonly answer: Deferred<void> }[] = [];
  readonly subscriptions: ((payload: Buffer, channel: Buffer) => unknown)[] = [];

  async connect(): Promise<void> {
    this.emit('ready');
  }
  ping(): Promise<unknown> {
    this.pings += 1;
    return this.answersPings ? Promise.resolve('PONG') : new Promise(() => {});
  }
  destroy(): void {
    this.destroyed = true;
  }
  withCommandOptions(): unknown {
    return this;
  }
  duplicate(): unknown {
    return this;
  }
  subscribe(channel: string, listener: (payload: Buffer, channel: Buffer) => unknown): Promise<void> {
    this.subscriptions.push(listener);
    return this.#order(`subscribe ${channel}`);
  }
  unsubscribe(channel: string): Promise<void> {
    return this.#order(`unsubscribe ${channel}`);
  }
  get said(): string[] {
    return this.orders.map(({ what }) => what);
  }

  #order(what: string): Promise<void> {
    const answer = deferred();
    this.orders.push({ what, answer });
    return answer.promise;
  }
}

function makeConnection(t: { after(fn: () => void): void }) {
  const clients: FakeClient[] = [];
  const subscribers: FakeClient[] = [];
  const told: string[] = [];
  const make = (list: FakeClient[]) => () => {
    const client = new FakeClient();
    list.push(client);
    return client;
  };
  const connection = new RedisConnection({
    makeClient: make(clients),
    makeSubscriber: make(subscribers),
    owned: true,
    timeoutMs: 10,
    subscribed: (channel) => told.push(channel),
    published: () => {},
  });
  t.after(() => connection.close());
  return { connection, clients, subscribers, told };
}

/** Several looks at the connections have gone by. */
const looked = (client: FakeClient): Promise<boolean> => {
  const { pings } = client;
  return until(() => client.pings > pings + 2);
};

test('an answer that came while this process stood still for longer than the wait is an answer', async (t) => {
  const { connection, clients } = makeConnection(t);
  await until(() => clients[0]!.pings > 0);
  const standStill = await makeStandStill(t);
  const answer = deferred<string>();
  const asked = connection.run(() => answer.promise);
  await standStill(100, () => answer.resolve('came'));
  assert.equal(await asked, 'came');
});

test('one subscription is asked for at a time, however long the answer takes', async (t) => {
  const { connection, subscribers, told } = makeConnection(t);
  await until(() => subscribers[0]!.pings > 0);
  connection.subscribe('all');
  await looked(subscribers[0]!);
  assert.deepEqual(subscribers[0]!.said, ['subscribe all']);
  connection.unsubscribe('all');
  connection.subscribe('all');
  connection.unsubscribe('all');
  await looked(subscribers[0]!);
  assert.deepEqual(subscribers[0]!.said, ['subscribe all']);
  assert.deepEqual(told, []);
  subscribers[0]!.orders[0]!.answer.resolve();
  await until(() => subscribers[0]!.orders.length === 2);
  assert.deepEqual(subscribers[0]!.said, ['subscribe all', 'unsubscribe all']);
  connection.subscribe('all');
  subscribers[0]!.orders[1]!.answer.resolve();
  await until(() => subscribers[0]!.orders.length === 3);
  assert.deepEqual(told, []);
  subscribers[0]!.orders[2]!.answer.resolve();
  await until(() => told.length === 1);
});

test('a subscription that is refused is asked for again', async (t) => {
  const { connection, subscribers, told } = makeConnection(t);
  connection.subscribe('all');
  await until(() => subscribers[0]!.orders.length === 1);
  subscribers[0]!.orders[0]!.answer.reject(new Error('NOPERM'));
  await until(() => subscribers[0]!.orders.length === 2);
  subscribers[0]!.orders[1]!.answer.resolve();
  await until(() => told.length === 1);
});

test('each connection that is open and answers no ping is made anew, alone', async (t) => {
  const { clients, subscribers } = makeConnection(t);
  await until(() => clients[0]!.pings > 0 && subscribers[0]!.pings > 0);
  clients[0]!.answersPings = false;
  await until(() => clients.length === 2);
  assert.equal(clients[0]!.destroyed, true);
  assert.equal(clients[1]!.destroyed, false);
  assert.equal(subscribers.length, 1);
  subscribers[0]!.answersPings = false;
  await until(() => subscribers.length === 2);
  assert.equal(subscribers[0]!.destroyed, true);
  assert.equal(clients.length, 2);
});

test('a command that is never answered ends in time, and one that comes while there is no connection is not sent later', async (t) => {
  const { connection, clients } = makeConnection(t);
  const silent = connection.run(() => new Promise<never>(() => {}));
  await assert.rejects(silent, (error) => error instanceof StoreFailure && error.reason === 'timeout');
  clients[0]!.isReady = false;
  clients[0]!.emit('error', new Error('WRONGPASS invalid username-password pair or user is disabled.'));
  let sent = false;
  const order = connection.run(async () => {
    sent = true;
  });
  await assert.rejects(order, (error) => error instanceof StoreFailure && error.reason === 'denied');
  assert.equal(sent, false);
});

test('at the end everything that was opened is destroyed, and nothing is asked any more', async (t) => {
  const { connection, clients, subscribers } = makeConnection(t);
  await connection.run(async () => 'answer');
  connection.close();
  connection.close();
  assert.deepEqual(
    [...clients, ...subscribers].map(({ destroyed }) => destroyed),
    [true, true],
  );
  await assert.rejects(
    connection.run(async () => {}),
    (error) => error instanceof StoreFailure && error.reason === 'closed',
  );
});
