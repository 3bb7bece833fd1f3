/** Node passes over what stands behind the 2,000th header of a request: whoever sends as many hides what a proxy says of it, and a body. */
import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { startGateway, type TestGatewayOptions } from '../support/gateway.ts';
import { openRaw } from '../support/raw-client.ts';
import { behindProxy } from './limits-scenario.ts';

/** In 8 KB. */
const padding = { H: Array<string>(2000).fill('') };

async function start(t: TestContext, options: TestGatewayOptions = {}) {
  const backend = await startBackend(t);
  const gateway = await startGateway(t, { ...behindProxy, backends: [backend.url], ...options });
  const ask = async (headers: Readonly<Record<string, string | readonly string[]>>): Promise<number> => {
    const client = await openRaw(t, { port: gateway.port, path: '/ws', headers });
    const { status } = await client.response();
    client.destroy();
    return status;
  };
  return { gateway, ask };
}

test('what a proxy says of the client counts, however many headers stand before it', async (t) => {
  const { gateway, ask } = await start(t, {
    limits: { handshakesPerSecondPerAddress: 1, handshakeBurstPerAddress: 3, exemptAddresses: ['127.0.0.1'] },
  });
  const answers: number[] = [];
  for (let n = 0; n < 5; n += 1) answers.push(await ask({ ...padding, 'X-Forwarded-For': '203.0.113.9' }));
  assert.deepEqual(answers, [101, 101, 101, 429, 429]);
  assert.equal(gateway.eventsOf('pipe.opened')[0]?.clientIp, '203.0.113.9');
});

test('a body and a second Host are seen behind them', async (t) => {
  const { ask } = await start(t);
  assert.equal(await ask({ ...padding, 'Content-Length': '5' }), 400);
  assert.equal(await ask({ ...padding, 'Transfer-Encoding': 'chunked' }), 400);
  assert.equal(await ask({ ...padding, Host: ['a', 'b'] }), 400);
  assert.equal(await ask(padding), 101);
});

test('at a port of its own for the admin API all are read, too', async (t) => {
  const { gateway } = await start(t, { admin: { listen: { port: 0 }, auth: { tokens: ['test-token-0123456789'] } } });
  const { port } = gateway.app.adminServer!.server.address() as AddressInfo;
  const authorization = 'Bearer test-token-0123456789';
  const client = await openRaw(t, { port, path: '/backends', headers: { ...padding, upgrade: null, authorization } });
  assert.equal((await client.response()).status, 200, 'the token stands behind them');
});

test('where the host bounds them itself, an upgrade with as many is refused', async (t) => {
  const { ask } = await start(t, {
    prepare: (app) => {
      app.server.maxHeadersCount = 50;
    },
  });
  assert.equal(await ask({ H: Array<string>(60).fill('') }), 431);
  assert.equal(await ask({ H: Array<string>(20).fill('') }), 101);
});
