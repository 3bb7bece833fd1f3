/** The backend dies: the page stays connected, is told, and loses nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { startGateway } from '../support/gateway.ts';
import { openScenario } from './scenario-page.ts';

test('one backend dies, then both: answers go on, or wait for the one that comes back', async (t) => {
  const backends = new Map([
    ['a', await startBackend(t, { tag: 'a' })],
    ['b', await startBackend(t, { tag: 'b' })],
  ]);
  const gateway = await startGateway(t, {
    allowedOrigins: ['*'],
    backends: [...backends.values()].map(({ url }) => url),
  });
  const scenario = await openScenario(t, { url: gateway.url });
  await scenario.send('one');
  const [first = ''] = await scenario.received(1);
  const [name = ''] = first.split(':');
  await backends.get(name)?.kill();
  // Killed before its pong: at-least-once sends the first again, and its answer comes twice.
  await scenario.send('two');
  const other = name === 'a' ? 'b' : 'a';
  await scenario.page.waitForFunction((answer) => window.scene.messages.includes(answer), `${other}:two`);
  const answers = new Set((await scenario.messages()).map((text) => text.slice(2)));
  assert.deepEqual([...answers], ['one', 'two']);
  const { gapMs } = await scenario.waitFor('restored');
  assert.equal(typeof gapMs, 'number');

  await backends.get(other)?.kill();
  await scenario.says(/^Connected\. Waiting for the server, your messages are kept/);
  assert.ok(await scenario.send('three'));
  await scenario.shot('interrupted');
  await backends.get(name)?.restart();
  await scenario.page.waitForFunction((answer) => window.scene.messages.at(-1) === answer, `${name}:three`);
  await scenario.says(/^Connected$/);
  assert.deepEqual(await scenario.states(), ['open', 'interrupted', 'open', 'interrupted', 'open']);
  assert.deepEqual(await scenario.events('reset'), []);
  assert.equal(gateway.eventsOf('pipe.opened').length, 1);
  assert.deepEqual(scenario.problems, []);
  t.diagnostic(`gap ${gapMs} ms`);
});
