/** Clients that begin large messages and do not end them fill the memory of the process: the others are served nevertheless. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { connectRaw } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';
import { assertLimited, limited } from './limits-scenario.ts';

const kiB = 1024;

test('buffer.maxTotalBytes full of unfinished messages: the largest are given up with 1013, and everybody else goes on', async (t) => {
  const backend = await startBackend(t, { record: true });
  const gateway = await startGateway(t, {
    backends: [backend.url],
    buffer: { maxBytesPerPipe: 512 * kiB, maxTotalBytes: 1024 * kiB },
  });
  const good = await connect(t, gateway.url);
  // A message of a good client that needs a while, and is small.
  const uploading = await connectRaw(t, { port: gateway.port, path: '/ws' });
  await uploading.sendFrame({ opcode: 'binary', payload: Buffer.alloc(10 * kiB), declaredLength: 20 * kiB });
  const hostile = await Promise.all(
    Array.from({ length: 6 }, () => connectRaw(t, { port: gateway.port, path: '/ws' })),
  );
  for (const client of hostile)
    void client.sendFrame({ opcode: 'binary', payload: Buffer.alloc(200 * kiB), declaredLength: 250 * kiB });
  await until(() => gateway.manager.budget.full, { what: 'the memory to be full' });
  assert.equal((await good.ask('one')).text, 'one');
  assert.equal((await good.ask('two')).text, 'two');
  const codes = await Promise.race(hostile.map(async (client) => (await client.nextClose()).code));
  assert.equal(codes, 1013);
  await uploading.sendBytes(Buffer.alloc(10 * kiB));
  await until(() => backend.received().some(({ messages }) => messages.some(({ bytes }) => bytes === 20 * kiB)), {
    what: 'the small one to be whole',
  });
  // It is counted when a client is given up; its pipe is closed a little later.
  const times = await limited(gateway, 'memory');
  await until(() => gateway.eventsOf('pipe.closed').length === times, { what: `the ${times} given up to be closed` });
  assert.ok(times <= 2, `${times} were closed: no more than it takes`);
  assert.ok(gateway.eventsOf('pipe.closed').every(({ reason }) => reason === 'buffer-full'));
  await assertLimited(gateway, 'memory', times);
});
