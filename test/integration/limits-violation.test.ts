/** What it costs an address that a client of it is closed for what it sent. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect, connectRefused } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { connectRaw, type RawClient } from '../support/raw-client.ts';
import { assertLimited, behindProxy, from, limited } from './limits-scenario.ts';

const start = '\u001e{"type":"start","resume":null}';
const violations: Readonly<
  Record<string, { protocols?: string[]; send: (client: RawClient) => Promise<unknown>; code: number }>
> = {
  'a frame that is not masked': { send: (client) => client.sendFrame({ payload: 'a', mask: false }), code: 1002 },
  'too many pings': {
    send: (client) =>
      client.sendBytes(Buffer.concat(Array.from({ length: 11 }, () => Buffer.from('898000000000', 'hex')))),
    code: 1008,
  },
  'a message that is too big': {
    send: (client) => client.sendFrame({ payload: '', declaredLength: 2000 }),
    code: 1009,
  },
  'a reserved opcode before the start': {
    protocols: ['holdfast.v1'],
    send: (client) => client.sendFrame({ opcode: 3 }),
    code: 1002,
  },
  'a message before the welcome': { protocols: ['holdfast.v1'], send: (client) => client.sendText('a'), code: 4400 },
  'a second start': {
    protocols: ['holdfast.v1'],
    send: async (client) => {
      await client.sendText(start);
      while (!(await client.nextMessage()).text.includes('welcome'));
      await client.sendText(start);
    },
    code: 4400,
  },
};

test('limits.handshakesPerViolation: who is closed for what it sent finds its address refused; its pipes and other addresses are served', async (t) => {
  const backend = await startBackend(t);
  const gateway = await startGateway(t, {
    ...behindProxy,
    backends: [backend.url],
    maxMessageBytes: 1000,
    // Nobody answers the Close of the end.
    closing: { handshakeMs: 200 },
    limits: {
      handshakesPerSecondPerAddress: 1,
      handshakeBurstPerAddress: 32,
      handshakesPerViolation: 30,
      controlFramesPerSecond: 1,
    },
  });
  let refused = 0;
  for (const [n, [what, { protocols = [], send, code }]] of Object.entries(violations).entries()) {
    const address = from(`203.0.113.${n}`);
    const good = await connect(t, gateway.url, address);
    const bad = await connectRaw(t, { port: gateway.port, path: '/ws', ...address, protocols });
    await send(bad);
    assert.equal((await bad.nextClose()).code, code, what);
    const { status, headers } = await connectRefused(t, gateway.url, address);
    refused += 1;
    assert.equal(status, 429, what);
    assert.match(String(headers['retry-after']), /^[1-9]\d*$/);
    assert.equal((await good.ask('still here')).text, 'still here');
  }
  await assertLimited(gateway, 'handshakes-per-address', refused);
  await connect(t, gateway.url, from('198.51.100.1'));
});

test('a client that leaves, or is closed by its backend, has cost its address one handshake', async (t) => {
  const backend = await startBackend(t);
  const limits = { handshakesPerSecondPerAddress: 1, handshakeBurstPerAddress: 3, handshakesPerViolation: 30 };
  const gateway = await startGateway(t, { ...behindProxy, backends: [backend.url], limits });
  const address = from('203.0.113.1');
  const leaves = await connect(t, gateway.url, address);
  leaves.close(1000);
  await leaves.waitClosed();
  const ended = await connect(t, gateway.url, address);
  ended.send('close:1008:go');
  assert.equal((await ended.waitClosed()).code, 1008);
  await connect(t, gateway.url, address);
  assert.equal(await limited(gateway, 'handshakes-per-address'), 0);
});
