import assert from 'node:assert/strict';
import test from 'node:test';
import { opcodes } from '../support/frame-codec.ts';
import { connectRaw } from '../support/raw-client.ts';
import { linksOf, onlyPipe, startPair, untilAcknowledged } from './failover-scenario.ts';

test('A message in fragments, with pings between them, whose backend dies half-way through arrives whole at the next', async (t) => {
  const { a, b, gateway } = await startPair(t);
  const client = await connectRaw(t, { port: gateway.port, path: '/ws', autoPong: true });
  const pipe = onlyPipe(gateway);
  await client.sendText('before');
  assert.equal((await client.nextMessage()).text, 'a:before');
  await untilAcknowledged(gateway, pipe);
  await client.sendFrame({ fin: false, opcode: 'text', payload: 'one, ' });
  await client.ping('first');
  await client.sendFrame({ fin: false, opcode: 'continuation', payload: 'two, ' });
  await client.frames.waitFor((frame) => frame.opcode === opcodes.pong && frame.text === 'first');
  await a.kill();
  await gateway.waitFor('pipe.restored');
  await client.ping('second');
  await client.frames.waitFor((frame) => frame.opcode === opcodes.pong && frame.text === 'second');
  assert.deepEqual(
    linksOf(pipe.id, b).flatMap(({ messages }) => messages),
    [],
    'no half message at the next backend',
  );
  await client.sendFrame({ fin: true, opcode: 'continuation', payload: 'three' });
  await client.sendText('after');
  assert.equal((await client.nextMessage()).text, 'b:one, two, three');
  assert.equal((await client.nextMessage()).text, 'b:after');
  assert.deepEqual(
    linksOf(pipe.id, b)[0]?.messages.map(({ text }) => text),
    ['one, two, three', 'after'],
  );
});

test('Many fragmented messages cross a crash: each whole, in order', async (t) => {
  const { a, b, gateway } = await startPair(t);
  const client = await connectRaw(t, { port: gateway.port, path: '/ws', autoPong: true });
  const pipe = onlyPipe(gateway);
  const count = 120;
  const text = (n: number) => `${n}:${'x'.repeat(n % 7 === 0 ? 20_000 : 40)}:${n}`;
  const parts = (whole: string) => [whole.slice(0, 5), whole.slice(5, 12), '', whole.slice(12)];
  for (let n = 1; n <= count; n += 1) {
    const [first = '', ...rest] = parts(text(n));
    await client.sendFrame({ fin: false, opcode: 'text', payload: first });
    for (const [index, part] of rest.entries()) {
      await client.ping(`${n}.${index}`);
      await client.sendFrame({ fin: index === rest.length - 1, opcode: 'continuation', payload: part });
    }
    if (n === count / 2) await a.kill();
  }
  const seen: number[] = [];
  while (seen.at(-1) !== count) {
    const { text: answer } = await client.nextMessage();
    const n = Number(/^[ab]:(\d+):/.exec(answer)?.[1]);
    assert.equal(answer.slice(2), text(n), `answer ${n} is whole`);
    seen.push(n);
  }
  const fresh = seen.filter((n, index) => seen.indexOf(n) === index);
  assert.deepEqual(
    fresh,
    Array.from({ length: count }, (_, index) => index + 1),
  );
  assert.equal(linksOf(pipe.id, a, b).length, 2);
});
