import assert from 'node:assert/strict';
import test from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { encodeFrame, opcodes } from '../support/frame-codec.ts';
import { startGateway } from '../support/gateway.ts';
import { startRawBackend } from '../support/raw-backend.ts';
import { connectRaw } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

test('A backend that dies in the middle of a frame, or between fragments, leaves no half message at the client', async (t) => {
  const gateway = await startGateway(t);
  const dying = await startRawBackend(t, { autoPong: true });
  gateway.manager.registerBackend({ id: 'dying', url: dying.url });
  const opening = connectRaw(t, { port: gateway.port, path: '/ws', autoPong: true });
  let link = await dying.acceptNext();
  const client = await opening;
  const good = await startBackend(t, { tag: 'good' });

  // In the middle of a frame, right behind a whole one.
  await link.sendBytes(
    Buffer.concat([
      encodeFrame({ payload: 'whole 1' }),
      encodeFrame({ payload: 'x'.repeat(50_000) }).subarray(0, 30_000),
    ]),
  );
  assert.equal((await client.nextMessage()).text, 'whole 1');
  await until(() => (gateway.manager[Symbol.iterator]().next().value?.backend?.link.pendingBytes ?? 0) > 29_000);
  link.reset();
  // Between two fragments of the next life.
  link = await dying.acceptNext();
  await link.sendFrame({ fin: false, opcode: 'text', payload: 'half ' });
  await link.sendFrame({ fin: false, opcode: 'continuation', payload: 'of it' });
  await link.ping('between');
  await link.frames.waitFor((frame) => frame.opcode === opcodes.pong && frame.text === 'between');
  gateway.manager.registerBackend({ id: 'good', url: good.url });
  link.destroy();
  await gateway.waitFor('pipe.restored', ({ backendId }) => backendId === 'good');
  await client.sendText('hello');
  assert.equal((await client.nextMessage()).text, 'good:hello');
  const data = client.frames.all.filter(({ opcode }) => opcode < 8);
  assert.deepEqual(
    data.map(({ text, fin }) => [text, fin]),
    [
      ['whole 1', true],
      ['good:hello', true],
    ],
  );
  assert.equal(client.unfinishedBytes, 0);
});

for (const end of ['reset', 'fin', 'close'] as const) {
  test(`A client that ends by ${end} inside a message leaves no half message at the backend`, async (t) => {
    const gateway = await startGateway(t);
    const backend = await startRawBackend(t, { autoPong: true, autoClose: true });
    gateway.manager.registerBackend({ id: 'raw', url: backend.url });
    const opening = connectRaw(t, { port: gateway.port, path: '/ws' });
    const link = await backend.acceptNext();
    const client = await opening;
    await client.sendText('whole');
    await client.sendFrame({ fin: false, opcode: 'text', payload: 'half' });
    await client.sendBytes(
      encodeFrame({ fin: true, opcode: 'continuation', payload: 'y'.repeat(9000), mask: true }).subarray(0, 5000),
    );
    assert.equal((await link.nextMessage()).text, 'whole');
    await until(() => gateway.manager.budget.usedBytes >= 5000, { what: 'the half message to be there' });
    if (end === 'reset') client.reset();
    else if (end === 'fin') client.fin();
    else client.destroy();
    const close = await link.nextClose();
    assert.equal(close.code, 1001);
    assert.deepEqual(
      link.frames.all.filter(({ opcode }) => opcode < 8).map(({ text }) => text),
      ['whole'],
    );
    link.fin();
    const closed = await gateway.waitFor('pipe.closed');
    assert.equal(closed.reason, 'lost');
    assert.equal(closed.undelivered, 0);
    assert.equal(gateway.manager.budget.usedBytes, 0);
  });
}
