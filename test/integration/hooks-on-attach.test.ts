import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AttachContext } from '../../src/hooks.ts';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { sleep, until } from '../support/wait.ts';
import {
  assertComplete,
  assertHandedOver,
  echoedNumbers,
  linksOf,
  numbersOf,
  onlyPipe,
  startPair,
} from './failover-scenario.ts';
import { assertReached } from './limits-scenario.ts';

test('what the hook sends comes before the replay, what it receives is not passed on, what it leaves is', async (t) => {
  const seen: Omit<AttachContext, 'send' | 'receive'>[] = [];
  const { a, b, gateway } = await startPair(
    t,
    {
      async onAttach({ send, receive, ...context }) {
        seen.push(context);
        if (context.reason === 'open') return;
        assert.equal(await receive(), 'hello');
        send('subscribe');
        assert.equal(await receive(), `${context.backend.id}:subscribe`);
        send(Buffer.from('left over'));
        // Both come before the hook is done; the second is nobody's.
        await sleep(100);
      },
    },
    { hello: 'hello' },
  );
  const client = await connect(t, gateway.url, { headers: { 'x-user': 'ann' } });
  const pipe = onlyPipe(gateway);
  assert.equal((await client.next()).text, 'hello');
  const run = client.sendNumbered({ intervalMs: 2 });
  await until(() => client.numbered.length >= 20);
  await a.kill();
  await client.waitFor(({ text }) => text.startsWith('b:msg'));
  run.stop();
  await client.waitFor(({ text }) => text.startsWith(`b:msg#${run.sent}/`));
  assert.equal(seen.length, 2);
  assert.equal(seen[0]!.generation, 1);
  assert.deepEqual(
    [seen[1]!.generation, seen[1]!.reason, seen[1]!.backend.id, seen[1]!.pipe.id, seen[1]!.pipe.headers['x-user']],
    [2, 'failover', 'b', pipe.id, 'ann'],
  );
  const texts = b.received()[0]!.messages.map(({ text }) => text ?? '(binary)');
  assert.equal(texts[0], 'subscribe');
  assert.equal(texts[1], '(binary)');
  assert.match(texts[2]!, /^msg#/);
  // Not the greeting and not the answer to the subscription.
  const fromB = client.messages.filter(({ text }) => text === 'hello' || text.startsWith('b:'));
  assert.deepEqual(
    fromB.slice(0, 2).map(({ text }) => text),
    ['hello', 'b:left over'],
  );
  assert.ok(fromB.slice(2).every(({ text }) => text.startsWith('b:msg')));
  assertComplete(echoedNumbers(client), run.sent, 'answers');
  assertComplete([...numbersOf(a.received()[0]!), ...numbersOf(b.received()[0]!)], run.sent, 'at the backends');
});

test('in a drain too the hook is done before the pipe goes over, and nothing comes twice', async (t) => {
  const reasons: string[] = [];
  const { a, b, gateway } = await startPair(t, {
    async onAttach({ reason, send, receive }) {
      reasons.push(reason);
      send('login');
      await receive();
      await sleep(150);
    },
  });
  const client = await connect(t, gateway.url);
  const pipe = onlyPipe(gateway);
  const run = client.sendNumbered({ intervalMs: 3 });
  await until(() => client.numbered.length >= 10);
  await gateway.admin('DELETE', '/backends/a');
  await gateway.waitFor('backend.drained');
  run.stop();
  await client.waitFor(({ text }) => text.endsWith('.') || text.includes(`msg#${run.sent}/`), {});
  await until(() => client.numbered.length >= run.sent, { what: `${run.sent} answers` });
  assert.deepEqual(reasons, ['open', 'migrate']);
  assert.ok(!client.texts.some((text) => text.endsWith(':login')), 'its answers are not passed on');
  assert.equal(assertHandedOver(linksOf(pipe.id, a, b), run.sent), 0);
});

test('a hook that fails is a failed attempt: the next backend is tried, and the pipe does not spin where none suits', async (t) => {
  let suits = false;
  let calls = 0;
  const { gateway } = await startPair(t, {
    failover: { handshakeWaitMs: 100, backoffBaseMs: 100, backoffMaxMs: 200 },
    pool: { balancing: 'round-robin', ejectAfter: 2, maxErrors: 2 },
    onAttach({ backend }) {
      calls += 1;
      if (!suits || backend.id === 'a') throw new Error('the login was refused');
    },
  });
  const client = await connect(t, gateway.url);
  client.send('hello');
  await sleep(1500);
  assert.ok(calls >= 2 && calls <= 60, `${calls} attempts in 1.5 s`);
  const failures = gateway.eventsOf('backend.attempt-failed');
  assert.ok(failures.every(({ failure, detail }) => failure === 'attach-hook' && detail === 'the login was refused'));
  assert.equal(client.closeInfo, undefined);
  // Not the backends' doing: one client whose login fails everywhere takes none of them from the others.
  for (const name of ['backend.failed', 'backend.ejected', 'backend.removed'] as const)
    assert.equal(gateway.eventsOf(name).length, 0, name);
  suits = true;
  assert.equal((await client.next({ timeoutMs: 8000 })).text, 'b:hello');
  await until(() => gateway.manager.backends().every(({ dialing }) => dialing === 0));
  assert.equal(gateway.manager.backend('a').connections, 0, 'what failed was given back');
});

test('a hook that is not done in time is a failed attempt; what it does later goes nowhere', async (t) => {
  let late: AttachContext | undefined;
  const { a, b, gateway } = await startPair(t, {
    failover: { attachTimeoutMs: 200 },
    async onAttach(context) {
      if (context.backend.id !== 'a') return;
      late = context;
      await context.receive();
    },
  });
  const from = performance.now();
  const client = await connect(t, gateway.url);
  assert.equal((await client.ask('hello')).text, 'b:hello');
  assert.ok(performance.now() - from >= 180);
  const failed = await gateway.waitFor('backend.attempt-failed');
  assert.deepEqual([failed.backendId, failed.failure], ['a', 'attach-hook']);
  assert.match(failed.detail, /200 ms/);
  await assertReached(gateway, 'holdfast_dials_total{result="attach-hook"}', 1);
  late!.send('too late');
  await assert.rejects(late!.receive());
  await sleep(100);
  assert.deepEqual(a.receivedTexts(), []);
  assert.deepEqual(b.receivedTexts(), ['hello']);
});

test('a backend that dies in the hook fails the attempt at once, and that counts against it', async (t) => {
  const gateway = await startGateway(t, {
    async onAttach({ receive, backend }) {
      if (backend.id === 'dying') await receive();
    },
  });
  const dying = await startBackend(t, { dropAfterOpenMs: 20 });
  gateway.manager.registerBackend({ id: 'dying', url: dying.url });
  const connecting = connect(t, gateway.url);
  assert.equal((await gateway.waitFor('backend.attempt-failed')).failure, 'lost');
  assert.equal((await gateway.waitFor('backend.failed')).backendId, 'dying');
  const good = await startBackend(t, { tag: 'good' });
  gateway.manager.registerBackend({ id: 'good', url: good.url });
  const client = await connecting;
  assert.equal((await client.ask('hello')).text, 'good:hello');
});
