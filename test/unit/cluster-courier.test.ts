/** Gateways ask each other: answered, refused, silent, too big, too many; nothing that does not fit is believed. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Type } from 'typebox';
import { Courier, courierBounds, type Hint, type Question } from '../../src/cluster/courier.ts';
import { allChannel, gatewayChannel } from '../../src/cluster/keys.ts';
import { MemoryHub } from '../../src/cluster/memory-store.ts';
import { PeerSilent, PipeNotFound } from '../../src/errors.ts';
import { Mailbox } from '../support/mailbox.ts';
import { makeStandStill } from '../support/stand-still.ts';
import { UnsteadyStore } from '../support/unsteady-store.ts';
import { deferred, until } from '../support/wait.ts';

const double = {
  kind: 'double',
  asks: Type.Object({ number: Type.Integer() }),
  answers: Type.Object({ number: Type.Integer() }),
} satisfies Question;
const text = { kind: 'text', asks: Type.Null(), answers: Type.String() } satisfies Question;
const changed = { kind: 'changed', says: Type.Object({ revision: Type.Integer() }) } satisfies Hint;

const ids = ['one.aaaaaa', 'two.bbbbbb', 'six.cccccc'];

function couriers(t: TestContext, gateways = ids) {
  const hub = new MemoryHub();
  const errors: unknown[] = [];
  const all = gateways.map((id) => {
    const store = new UnsteadyStore(hub);
    const courier = new Courier({ store, id, gateways: () => gateways, onError: (error) => errors.push(error) });
    courier.start();
    t.after(() => courier.stop());
    return { courier, store };
  });
  return { hub, errors, all, one: all[0]!, two: all[1]!, six: all[2]! };
}

test('what one asks the other answers, and knows who has asked', async (t) => {
  const { one, two, errors } = couriers(t);
  const askers: string[] = [];
  two.courier.serve(double, async ({ number }, from) => {
    askers.push(from);
    return { number: number * 2 };
  });
  const answers = await Promise.all(
    [1, 2, 3].map((number) => one.courier.ask('two.bbbbbb', double, { number }).then((answer) => answer.number)),
  );
  assert.deepEqual(answers, [2, 4, 6]);
  assert.deepEqual(askers, ['one.aaaaaa', 'one.aaaaaa', 'one.aaaaaa']);
  assert.deepEqual(errors, []);
});

test('what was answered while this process stood still for longer than it waits is an answer', async (t) => {
  const { one, two } = couriers(t, ids.slice(0, 2));
  two.courier.serve(double, ({ number }) => ({ number: number * 2 }));
  const standStill = await makeStandStill(t);
  const asks = [
    () => one.courier.ask('two.bbbbbb', double, { number: 4 }, { timeoutMs: 50 }),
    () => one.courier.askAll(double, { number: 4 }, { timeoutMs: 50 }).then(({ answers: [first] }) => first?.answer),
  ];
  for (const ask of asks) {
    const before = two.store.calls['publish'] ?? 0;
    two.store.hold('publish');
    const asked = ask();
    await until(() => two.store.calls['publish'] === before + 1, { intervalMs: 0 });
    await standStill(200, () => two.store.release());
    assert.deepEqual(await asked, { number: 8 });
  }
});

test('an error that is meant for callers keeps its code and status; what else is thrown stays where it was', async (t) => {
  const { one, two, errors } = couriers(t);
  two.courier.serve(double, () => {
    throw new PipeNotFound('p1');
  });
  const defect = new Error('secret detail');
  two.courier.serve(text, () => Promise.reject(defect));
  await assert.rejects(one.courier.ask('two.bbbbbb', double, { number: 1 }), {
    code: 'HOLDFAST_ERR_PIPE_NOT_FOUND',
    statusCode: 404,
    message: new PipeNotFound('p1').message,
  });
  assert.deepEqual(errors, []);
  await assert.rejects(one.courier.ask('two.bbbbbb', text, null), (error: Error & { code: string }) => {
    assert.equal(error.code, 'HOLDFAST_ERR_PEER_FAILED');
    assert.ok(!error.message.includes('secret'));
    return true;
  });
  assert.deepEqual(errors, [defect]);
});

test('who does not answer is waited for no longer than asked for', async (t) => {
  const { one, two } = couriers(t);
  const never = deferred<{ number: number }>();
  two.courier.serve(double, () => never.promise);
  const begun = performance.now();
  const silent = { code: 'HOLDFAST_ERR_PEER_SILENT', statusCode: 504 };
  await assert.rejects(one.courier.ask('two.bbbbbb', double, { number: 1 }, { timeoutMs: 50 }), silent);
  await assert.rejects(one.courier.ask('gone.xxxxxx', double, { number: 1 }, { timeoutMs: 50 }), silent);
  assert.ok(performance.now() - begun < 2000);
  never.resolve({ number: 1 });
});

test('who is asked gives up after the time it serves with, and says so', async (t) => {
  const { one, two } = couriers(t);
  const never = deferred<{ number: number }>();
  two.courier.serve(double, () => never.promise, 50);
  await assert.rejects(one.courier.ask('two.bbbbbb', double, { number: 1 }, { timeoutMs: 60_000 }), {
    code: 'HOLDFAST_ERR_PEER_SILENT',
    message: new PeerSilent('two.bbbbbb', 50).message,
  });
  never.resolve({ number: 1 });
});

test('a request that is not known, or does not fit, is answered as such', async (t) => {
  const { one, two } = couriers(t);
  const failed = { code: 'HOLDFAST_ERR_PEER_FAILED', statusCode: 502 };
  await assert.rejects(one.courier.ask('two.bbbbbb', double, { number: 1 }), failed);
  let served = 0;
  two.courier.serve(double, ({ number }) => {
    served += 1;
    return { number };
  });
  await assert.rejects(one.courier.ask('two.bbbbbb', double, { number: 'x' } as never), failed);
  assert.equal(served, 0);
});

test('an answer that does not fit is not believed', async (t) => {
  const { one, two } = couriers(t);
  two.courier.serve(double, () => ({ number: 'many' }) as never);
  await assert.rejects(one.courier.ask('two.bbbbbb', double, { number: 1 }), { code: 'HOLDFAST_ERR_PEER_FAILED' });
});

test('an answer of somebody who was not asked is not taken', async (t) => {
  const { one, two, hub } = couriers(t);
  const asked = deferred();
  const go = deferred();
  two.courier.serve(double, async ({ number }) => {
    asked.resolve();
    await go.promise;
    return { number };
  });
  const answer = one.courier.ask('two.bbbbbb', double, { number: 21 });
  await asked.promise;
  const forged = { v: 1, type: 'answer', from: 'six.cccccc', id: 1, kind: 'double', body: { answer: { number: 666 } } };
  hub.publish(gatewayChannel('one.aaaaaa'), Buffer.from(JSON.stringify(forged)));
  hub.publish(gatewayChannel('one.aaaaaa'), Buffer.from('{'));
  go.resolve();
  assert.deepEqual(await answer, { number: 21 });
});

test('an answer that is too big to be sent is told as that', async (t) => {
  const { one, two } = couriers(t);
  two.courier.serve(text, () => 'x'.repeat(1_048_577));
  await assert.rejects(one.courier.ask('two.bbbbbb', text, null), { code: 'HOLDFAST_ERR_STORE_VALUE_TOO_BIG' });
});

test('all are asked with one message; who is silent or fails is missing', async (t) => {
  const { one, two, six } = couriers(t, [...ids, 'gone.xxxxxx', 'sad.dddddd']);
  two.courier.serve(double, ({ number }) => ({ number: number + 2 }));
  six.courier.serve(double, async ({ number }) => ({ number: number + 6 }));
  const published = one.store.calls.publish ?? 0;
  const { answers, missing } = await one.courier.askAll(double, { number: 10 }, { timeoutMs: 100 });
  assert.deepEqual(answers, [
    { gateway: 'six.cccccc', answer: { number: 16 } },
    { gateway: 'two.bbbbbb', answer: { number: 12 } },
  ]);
  assert.deepEqual(missing, ['gone.xxxxxx', 'sad.dddddd']);
  assert.equal(one.store.calls.publish, published + 1);
});

test('when all have answered nobody waits for the time-out, and who is alone asks nobody', async (t) => {
  const { all, one } = couriers(t);
  for (const { courier } of all) courier.serve(text, () => courier.id);
  const { answers, missing } = await one.courier.askAll(text, null, { timeoutMs: 60_000 });
  assert.deepEqual(
    answers.map(({ answer }) => answer),
    ['six.cccccc', 'two.bbbbbb'],
  );
  assert.deepEqual(missing, []);
  const alone = couriers(t, ['one.aaaaaa']).one;
  assert.deepEqual(await alone.courier.askAll(text, null), { answers: [], missing: [] });
  assert.equal(alone.store.calls.publish, undefined);
});

test('where one answer is enough the others are not waited for, nor missing', async (t) => {
  const { one, two, six } = couriers(t);
  two.courier.serve(double, ({ number }) => ({ number }));
  const never = deferred<{ number: number }>();
  six.courier.serve(double, () => never.promise);
  const begun = performance.now();
  const options = { timeoutMs: 60_000, enough: ({ number }: { number: number }) => number === 5 };
  const { answers, missing } = await one.courier.askAll(double, { number: 5 }, options);
  assert.deepEqual([answers, missing], [[{ gateway: 'two.bbbbbb', answer: { number: 5 } }], []]);
  assert.ok(performance.now() - begun < 5000);
  const all = await one.courier.askAll(double, { number: 4 }, { ...options, timeoutMs: 50 });
  assert.deepEqual(all.missing, ['six.cccccc']);
  never.resolve({ number: 1 });
});

test('the answers to one request to all are bounded in bytes', async (t) => {
  const many = Array.from({ length: 41 }, (_, number) => `gw${String(number).padStart(2, '0')}.aaaaaa`);
  const { all, one } = couriers(t, many);
  const long = 'x'.repeat(900_000);
  for (const { courier } of all) courier.serve(text, () => long);
  const { answers, missing } = await one.courier.askAll(text, null, { timeoutMs: 30_000 });
  assert.equal(answers.length + missing.length, 40);
  assert.ok(answers.length * long.length <= courierBounds.answerBytes);
  assert.equal(answers.length, Math.floor(courierBounds.answerBytes / 900_090));
});

test('requests that are under way are bounded, on both sides, and those of one kind leave room for the others', async (t) => {
  const { one, two, six } = couriers(t);
  const go = deferred<{ number: number }>();
  two.courier.serve(double, () => go.promise);
  const asking = Array.from({ length: courierBounds.asking }, (_, number) =>
    one.courier.ask('two.bbbbbb', double, { number }, { timeoutMs: 60_000 }).then(
      () => 'answered',
      (error: { code: string }) => error.code,
    ),
  );
  await assert.rejects(one.courier.ask('two.bbbbbb', double, { number: 1 }), { code: 'HOLDFAST_ERR_PEERS_BUSY' });
  const refusals = courierBounds.asking - courierBounds.serving;
  await until(() => (two.store.calls.publish ?? 0) >= refusals);
  two.courier.serve(text, () => 'at once');
  assert.equal(await six.courier.ask('two.bbbbbb', text, null), 'at once', 'a request of another kind');
  go.resolve({ number: 1 });
  const ends = await Promise.all(asking);
  assert.equal(ends.filter((end) => end === 'answered').length, courierBounds.serving);
  assert.equal(ends.filter((end) => end === 'HOLDFAST_ERR_PEERS_BUSY').length, refusals);
  // There is room again.
  assert.deepEqual(await six.courier.ask('two.bbbbbb', double, { number: 1 }), { number: 1 });
});

test('a store that cannot be reached fails a request at once; a hint is lost in silence', async (t) => {
  const { one, errors } = couriers(t);
  one.store.failure = 'disconnected';
  const unavailable = { code: 'HOLDFAST_ERR_STORE_UNAVAILABLE' };
  await assert.rejects(one.courier.ask('two.bbbbbb', text, null, { timeoutMs: 60_000 }), unavailable);
  await assert.rejects(one.courier.askAll(text, null, { timeoutMs: 60_000 }), unavailable);
  one.courier.hint(changed, { revision: 1 });
  await until(() => one.store.calls.publish === 3);
  assert.deepEqual(errors, []);
});

test('the end of a courier ends its requests, and it hears nothing more', async (t) => {
  const { one, two } = couriers(t);
  const never = deferred<string>();
  const asked = deferred();
  two.courier.serve(text, () => {
    asked.resolve();
    return never.promise;
  });
  const answer = one.courier.ask('two.bbbbbb', text, null, { timeoutMs: 60_000 });
  await asked.promise;
  one.courier.stop();
  one.courier.stop();
  await assert.rejects(answer, { code: 'HOLDFAST_ERR_STORE_UNAVAILABLE', reason: 'closed' });
  await assert.rejects(one.courier.ask('two.bbbbbb', text, null), { reason: 'closed' });
  never.resolve('late');
});

test('the others hear a hint, whoever gives it does not; one that does not fit is not heard', async (t) => {
  const { one, two, six, hub, errors } = couriers(t);
  const heard = new Mailbox<string>('a hint');
  const stops = [one, two, six].map(({ courier }) =>
    courier.onHint(changed, ({ revision }, from) => heard.push(`${courier.id} ${revision} ${from}`)),
  );
  two.courier.hint({ kind: 'changed', says: Type.String() }, 'nonsense');
  one.courier.hint(changed, { revision: 7 });
  assert.deepEqual(await heard.count(2), ['two.bbbbbb 7 one.aaaaaa', 'six.cccccc 7 one.aaaaaa']);
  for (const stop of stops.slice(1)) stop();
  six.courier.onHint(changed, ({ revision }) => heard.push(`again ${revision}`));
  one.courier.hint(changed, { revision: 8 });
  assert.deepEqual((await heard.count(3))[2], 'again 8');
  hub.publish(allChannel, Buffer.from('nonsense'));
  assert.deepEqual(errors, []);
});

test('a gap in what is heard is told', async (t) => {
  const { hub } = couriers(t);
  const store = new UnsteadyStore(hub);
  const courier = new Courier({
    store,
    id: 'new.eeeeee',
    gateways: () => [],
    onError: (error) => assert.ifError(error),
  });
  let gaps = 0;
  courier.onGap(() => {
    gaps += 1;
  });
  courier.start();
  t.after(() => courier.stop());
  await until(() => gaps === 2);
});
