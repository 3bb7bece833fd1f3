/** Resumable clients that acknowledge nothing keep their backends from being read, and so what they sent from being known as arrived. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { connectResumable } from '../support/resume-client.ts';
import { until } from '../support/wait.ts';
import { assertLimited, limited } from './limits-scenario.ts';

const kiB = 1024;

test('buffer.maxTotalBytes full of what waits for acks that do not come: the largest is closed with 1013, and everybody else goes on', async (t) => {
  const backend = await startBackend(t, {});
  const gateway = await startGateway(t, {
    backends: [backend.url],
    buffer: { maxBytesPerPipe: 256 * kiB, maxTotalBytes: 1024 * kiB, maxDownstreamBytes: 32 * kiB },
  });
  const good = await connect(t, gateway.url);
  const hostile = await Promise.all([1, 2, 3].map(() => connectResumable(t, gateway.url)));
  // They read everything, and stay within twice what they may keep: so long they are read.
  for (const { send } of hostile) for (let count = 0; count < 31; count += 1) send('x'.repeat(16 * kiB));
  await until(() => gateway.manager.budget.full, { what: 'the memory to be full' });
  assert.equal((await good.ask('one')).text, 'one', 'one message at a time is always taken');
  const { code } = await Promise.race(hostile.map(({ client }) => client.closed));
  assert.equal(code, 1013);
  assert.equal((await good.ask('two')).text, 'two');
  assert.equal((await good.ask('three')).text, 'three');
  await until(() => !gateway.manager.budget.full, { what: 'room' });
  const times = await limited(gateway, 'memory');
  await until(() => gateway.eventsOf('pipe.closed').length === times, { what: `the ${times} given up to be closed` });
  assert.ok(times <= 2, `${times} were closed: no more than it takes`);
  assert.ok(gateway.eventsOf('pipe.closed').every((closed) => closed.reason === 'buffer-full'));
  assert.ok(
    gateway.eventsOf('pipe.closed').every((closed) => closed.undelivered === 0),
    'what they sent was delivered',
  );
  await assertLimited(gateway, 'memory', times);
});
