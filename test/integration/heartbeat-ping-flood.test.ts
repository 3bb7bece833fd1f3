import assert from 'node:assert/strict';
import test from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { encodeFrame } from '../support/frame-codec.ts';
import { startGateway } from '../support/gateway.ts';
import { connectRaw } from '../support/raw-client.ts';
import { assertNobodyJudged } from './heartbeat-scenario.ts';

/** What is answered at once, and each second after. */
const burst = 40;
const perSecond = 20;

for (const form of ['RFC 6455', 'JSON'] as const) {
  test(`A client that floods with 1,000 ${form} pings is answered at the bounded rate, and its pipe lives`, async (t) => {
    const gateway = await startGateway(t, { heartbeat: { client: { intervalMs: 25_000 } } });
    const backend = await startBackend(t, { record: true });
    gateway.manager.registerBackend({ id: 'a', url: backend.url });
    const client = await connectRaw(t, { port: gateway.port, path: '/ws' });
    const one = (n: number) =>
      form === 'JSON'
        ? encodeFrame({ payload: '{"type":"ping"}', mask: true })
        : encodeFrame({ opcode: 'ping', payload: `flood ${n}`, mask: true });
    const flood = Buffer.concat(Array.from({ length: 1000 }, (_, n) => one(n)));
    const at = performance.now();
    await client.sendBytes(flood);
    // The message behind them comes through, so all were read.
    await client.sendText('behind the flood');
    await client.frames.waitFor(({ text, opcode }) => opcode === 1 && text === 'behind the flood', {
      what: 'the echo',
    });
    const seconds = (performance.now() - at) / 1000;
    const answers = client.frames.all.filter(({ opcode, text }) =>
      form === 'JSON' ? text === '{"type":"pong"}' : opcode === 10 && text.startsWith('flood'),
    );
    assert.ok(answers.length >= burst, `${answers.length} answers`);
    // What came in one piece is data to the first ping in it.
    const pieces = Math.ceil(flood.length / 16_384);
    assert.ok(answers.length <= burst + perSecond * seconds + 1 + pieces, `${answers.length} answers in ${seconds} s`);
    assert.deepEqual(
      backend.received()[0]!.messages.map(({ text }) => text),
      ['behind the flood'],
    );
    assertNobodyJudged(gateway);

    // After the flood it is answered again.
    const timer = setInterval(() => void client.ping('later'), 150);
    t.after(() => clearInterval(timer));
    await client.frames.waitFor(({ opcode, text }) => opcode === 10 && text === 'later', { what: 'a later answer' });
  });
}
