/** What every ClusterStore promises. Each test has two stores, as two gateways have, on what they share. */
import assert from 'node:assert/strict';
import { highestRevision } from '../../src/cluster/keys.ts';
import { type ClusterStore, type StoredRecord, StoreFailure, storeBounds } from '../../src/cluster/store.ts';
import { Mailbox } from './mailbox.ts';
import { sleep, until } from './wait.ts';

export interface ContractStage {
  readonly one: ClusterStore;
  readonly two: ClusterStore;
  /** Lets time pass, as the store sees it. Default: it is waited for. */
  readonly pass?: (ms: number) => Promise<void>;
}

const ttlMs = 60_000;
const text = (value: string): Buffer => Buffer.from(value);
const shown = (record: StoredRecord | null): { revision: number; text: string } | null =>
  record && { revision: record.revision, text: record.value.toString() };
const rejected = (reason: string) => (error: unknown) => error instanceof StoreFailure && error.reason === reason;

/** Hears of a channel, and waits until it does. */
export async function listen(
  store: ClusterStore,
  channel: string,
): Promise<{ heard: Mailbox<string>; gaps: () => number; stop: () => void }> {
  const heard = new Mailbox<string>(`a message on ${channel}`);
  let gaps = 0;
  const stop = store.subscribe(channel, {
    message: (payload) => heard.push(payload.toString('latin1')),
    gap: () => {
      gaps += 1;
    },
  });
  await until(() => gaps > 0, { what: `the subscription of ${channel}` });
  return { heard, gaps: () => gaps, stop };
}

export interface StoreScenario {
  readonly title: string;
  readonly run: (stage: ContractStage) => Promise<void>;
}

/** One test each. */
export const storeScenarios: StoreScenario[] = [];

function scenario(title: string, run: (stage: Required<ContractStage>) => Promise<void>): void {
  storeScenarios.push({ title, run: (stage) => run({ pass: sleep, ...stage }) });
}

scenario('what one puts the other gets', async ({ one, two }) => {
  assert.equal(await two.get('pool'), null);
  assert.deepEqual(await one.put('pool', { revision: 1, value: text('first') }, { ifRevision: 0, ttlMs }), {
    stored: true,
  });
  assert.deepEqual(shown(await two.get('pool')), { revision: 1, text: 'first' });
});

scenario('bytes are bytes: every value, nothing, new lines, and as many as allowed', async ({ one, two }) => {
  const values = [
    Buffer.alloc(0),
    Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
    text('7\n\n'),
    Buffer.alloc(storeBounds.valueBytes, 10),
  ];
  for (const [index, value] of values.entries()) {
    assert.deepEqual(await one.put(`blob:${index}`, { revision: index + 1, value }, { ifRevision: 0, ttlMs }), {
      stored: true,
    });
    const got = await two.get(`blob:${index}`);
    assert.equal(got?.revision, index + 1);
    assert.ok(got.value.equals(value), `value ${index}`);
  }
});

scenario('a put for another revision changes nothing, and shows what is there', async ({ one, two }) => {
  await one.put('pool', { revision: 5, value: text('five') }, { ifRevision: 0, ttlMs });
  for (const ifRevision of [0, 4, 6]) {
    const answer = await two.put('pool', { revision: 9, value: text('lost') }, { ifRevision, ttlMs });
    assert.equal(answer.stored, false);
    assert.deepEqual(!answer.stored && shown(answer.present), { revision: 5, text: 'five' });
  }
  assert.deepEqual(await two.put('none', { revision: 3, value: text('lost') }, { ifRevision: 2, ttlMs }), {
    stored: false,
    present: null,
  });
  assert.deepEqual(await two.put('pool', { revision: 6, value: text('six') }, { ifRevision: 5, ttlMs }), {
    stored: true,
  });
  assert.deepEqual(shown(await one.get('pool')), { revision: 6, text: 'six' });
  assert.equal(await one.get('none'), null);
});

scenario('of two that put at once one wins, and the other sees the winner', async ({ one, two }) => {
  for (let revision = 1; revision <= 20; revision += 1) {
    const condition = { ifRevision: revision - 1, ttlMs };
    const answers = await Promise.all([
      one.put('pool', { revision, value: text('one') }, condition),
      two.put('pool', { revision, value: text('two') }, condition),
    ]);
    assert.deepEqual(answers.map(({ stored }) => stored).sort(), [false, true]);
    const winner = answers[0].stored ? 'one' : 'two';
    const loser = answers.find(({ stored }) => !stored) as { present: StoredRecord | null };
    assert.deepEqual(shown(loser.present), { revision, text: winner });
  }
});

scenario('revisions as large as they are believed', async ({ one, two }) => {
  const revision = highestRevision();
  await one.put('pool', { revision: revision - 1, value: text('a') }, { ifRevision: 0, ttlMs });
  assert.deepEqual(await two.put('pool', { revision, value: text('b') }, { ifRevision: revision - 1, ttlMs }), {
    stored: true,
  });
  assert.deepEqual(await one.touch([{ key: 'pool', revision }], ttlMs), [true]);
  assert.deepEqual(shown(await one.remove('pool', revision)), { revision, text: 'b' });
});

scenario('exactly one of several takes a record', async ({ one, two }) => {
  await one.put('blob', { revision: 3, value: text('once') }, { ifRevision: 0, ttlMs });
  const taken = await Promise.all([one.remove('blob'), two.remove('blob'), one.remove('blob'), two.remove('blob')]);
  assert.deepEqual(taken.filter((record) => record !== null).map(shown), [{ revision: 3, text: 'once' }]);
  assert.equal(await two.get('blob'), null);
});

scenario('a record is removed only at the revision that is meant', async ({ one, two }) => {
  await one.put('claim', { revision: 2, value: text('mine') }, { ifRevision: 0, ttlMs });
  assert.equal(await two.remove('claim', 1), null);
  assert.deepEqual(shown(await two.get('claim')), { revision: 2, text: 'mine' });
  assert.deepEqual(shown(await two.remove('claim', 2)), { revision: 2, text: 'mine' });
  assert.equal(await one.remove('claim', 2), null);
  assert.deepEqual(await one.put('claim', { revision: 1, value: text('anew') }, { ifRevision: 0, ttlMs }), {
    stored: true,
  });
});

scenario('records are forgotten when their time is over, unless they are touched', async ({ one, two, pass }) => {
  for (const key of ['short', 'touched'])
    await one.put(key, { revision: 1, value: text(key) }, { ifRevision: 0, ttlMs: 1000 });
  assert.deepEqual(
    await two.touch(
      [
        { key: 'touched', revision: 1 },
        { key: 'short', revision: 2 },
        { key: 'none', revision: 1 },
      ],
      ttlMs,
    ),
    [true, false, false],
  );
  await pass(1200);
  assert.equal(await two.get('short'), null);
  assert.deepEqual(shown(await two.get('touched')), { revision: 1, text: 'touched' });
  assert.deepEqual(await one.touch([{ key: 'short', revision: 1 }], ttlMs), [false]);
  assert.deepEqual(await two.put('short', { revision: 1, value: text('anew') }, { ifRevision: 0, ttlMs }), {
    stored: true,
  });
});

scenario('a thousand claims are touched at once, each for itself', async ({ one, two }) => {
  const keys = Array.from({ length: storeBounds.claims }, (_, number) => `pipe:${number}`);
  await Promise.all(keys.map((key) => one.put(key, { revision: 7, value: text(key) }, { ifRevision: 0, ttlMs })));
  await two.put('pipe:234', { revision: 8, value: text('deposed') }, { ifRevision: 7, ttlMs });
  const had = await one.touch(
    keys.map((key) => ({ key, revision: 7 })),
    ttlMs,
  );
  assert.deepEqual(
    had.flatMap((had, number) => (had ? [] : [number])),
    [234],
  );
  assert.deepEqual(await one.touch([], ttlMs), []);
});

scenario('a gateway that beats is seen by all, until it leaves', async ({ one, two }) => {
  assert.deepEqual(await one.beat('gw-b', text('bee'), ttlMs).then(({ known }) => known), false);
  const { known, members } = await two.beat('gw-a', text('ay\n:1'), ttlMs);
  assert.equal(known, false);
  assert.deepEqual(
    members.map(({ id, value }) => [id, value.toString()]),
    [
      ['gw-a', 'ay\n:1'],
      ['gw-b', 'bee'],
    ],
  );
  assert.ok(members.every(({ ageMs }) => ageMs >= 0 && ageMs < 2000));
  const again = await one.beat('gw-b', text('bee 2'), ttlMs);
  assert.equal(again.known, true);
  assert.deepEqual(
    again.members.map(({ value }) => value.toString()),
    ['ay\n:1', 'bee 2'],
  );
  await two.leave('gw-b');
  assert.deepEqual(
    (await two.beat('gw-a', text('ay'), ttlMs)).members.map(({ id }) => id),
    ['gw-a'],
  );
  assert.equal((await one.beat('gw-b', text('bee'), ttlMs)).known, false);
});

scenario('a gateway that is silent too long is gone, and told so when it is back', async ({ one, two, pass }) => {
  await one.beat('gw-a', text('a'), 1000);
  await two.beat('gw-b', text('b'), ttlMs);
  await pass(300);
  const { members } = await two.beat('gw-b', text('b'), ttlMs);
  assert.deepEqual(
    members.map(({ id }) => id),
    ['gw-a', 'gw-b'],
  );
  assert.ok(members[0]!.ageMs >= 290 && members[0]!.ageMs < 1000, `${members[0]!.ageMs}`);
  await pass(900);
  assert.deepEqual(
    (await two.beat('gw-b', text('b'), ttlMs)).members.map(({ id }) => id),
    ['gw-b'],
  );
  const back = await one.beat('gw-a', text('a'), ttlMs);
  assert.equal(back.known, false);
  assert.deepEqual(
    back.members.map(({ id }) => id),
    ['gw-a', 'gw-b'],
  );
});

scenario('the members of a store that is closed are gone', async ({ one, two }) => {
  await one.beat('gw-a', text('a'), ttlMs);
  await one.put('pool', { revision: 1, value: text('stays') }, { ifRevision: 0, ttlMs });
  await one.close();
  await one.close();
  assert.deepEqual(
    (await two.beat('gw-b', text('b'), ttlMs)).members.map(({ id }) => id),
    ['gw-b'],
  );
  assert.deepEqual(shown(await two.get('pool')), { revision: 1, text: 'stays' });
  await assert.rejects(one.get('pool'), rejected('closed'));
  await assert.rejects(one.beat('gw-a', text('a'), ttlMs), rejected('closed'));
  assert.throws(() => one.subscribe('all', { message() {}, gap() {} }), rejected('closed'));
});

scenario('what one publishes all subscribers hear, in order, and nobody else', async ({ one, two }) => {
  const [own, other, elsewhere] = await Promise.all([listen(one, 'all'), listen(two, 'all'), listen(two, 'to:gw-a')]);
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  await one.publish('all', bytes);
  for (let number = 0; number < 100; number += 1) await one.publish('all', text(`${number}`));
  for (const { heard } of [own, other]) {
    const all = await heard.count(101);
    assert.deepEqual(all, [bytes.toString('latin1'), ...Array.from({ length: 100 }, (_, number) => `${number}`)]);
  }
  assert.deepEqual(elsewhere.heard.all, []);
  await two.publish('to:gw-a', Buffer.alloc(storeBounds.messageBytes, 65));
  assert.equal((await elsewhere.heard.next()).length, storeBounds.messageBytes);
});

scenario('who has stopped to listen hears nothing more; the others do', async ({ one, two }) => {
  const first = await listen(two, 'all');
  const second = await listen(two, 'all');
  await one.publish('all', text('both'));
  await Promise.all([first.heard.next(), second.heard.next()]);
  first.stop();
  first.stop();
  await one.publish('all', text('second'));
  assert.equal(await second.heard.next(), 'second');
  second.stop();
  const third = await listen(two, 'all');
  await one.publish('all', text('third'));
  assert.equal(await third.heard.next(), 'third');
  assert.deepEqual(first.heard.all, ['both']);
  assert.deepEqual(second.heard.all, ['both', 'second']);
});

scenario('what is too big, or no key, is refused before it is sent', async ({ one }) => {
  const big = (bytes: number) => Buffer.alloc(bytes + 1);
  const tooBig = { code: 'HOLDFAST_ERR_STORE_VALUE_TOO_BIG' };
  const condition = { ifRevision: 0, ttlMs };
  await assert.rejects(one.put('pool', { revision: 1, value: big(storeBounds.valueBytes) }, condition), tooBig);
  await assert.rejects(one.beat('gw-a', big(storeBounds.memberBytes), ttlMs), tooBig);
  await assert.rejects(one.publish('all', big(storeBounds.messageBytes)), tooBig);
  for (const key of ['', 'a b', 'é', 'x'.repeat(storeBounds.keyBytes + 1)])
    await assert.rejects(one.get(key), RangeError);
  await assert.rejects(one.put('pool', { revision: 4, value: text('') }, { ifRevision: 4, ttlMs }), RangeError);
  await assert.rejects(one.put('pool', { revision: 1, value: text('') }, { ifRevision: 0, ttlMs: 0 }), RangeError);
  await assert.rejects(one.touch([], storeBounds.ttlMs + 1), RangeError);
  assert.equal(await one.get('pool'), null);
});

scenario('a subscriber may subscribe, publish and stop in what it hears', async ({ one, two }) => {
  const heard = new Mailbox<string>('an answer');
  await listen(two, 'all');
  const stop = two.subscribe('all', {
    message: (payload) => {
      stop();
      two.subscribe('reply', {
        message: (reply) => heard.push(reply.toString()),
        gap: () => void two.publish('reply', payload).catch(() => {}),
      });
    },
    gap: () => void one.publish('all', text('again')).catch(() => {}),
  });
  assert.equal(await heard.next(), 'again');
});
