/** The admin port behind a proxy that adds its caller to X-Forwarded-For: who guesses tokens cannot choose to be somebody else. */
import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { adminToken, startGateway } from '../support/gateway.ts';

const proxy = '127.0.0.1';

async function start(t: TestContext, trustProxy: boolean | string[]) {
  const admin = { auth: { tokens: [adminToken] }, maxFailures: 3, listen: { port: 0, trustProxy } };
  const { app } = await startGateway(t, { admin });
  const { port } = app.adminServer!.server.address() as AddressInfo;
  /** `caller` is whom the proxy adds, behind what the caller has written there itself. */
  return async (caller: string, claimed: string, token: string): Promise<number> => {
    const headers = { authorization: `Bearer ${token}`, 'x-forwarded-for': `${claimed}, ${caller}` };
    return (await fetch(`http://127.0.0.1:${port}/backends`, { headers })).status;
  };
}

test('with the proxy named, callers count by the address it saw, whatever they claim', async (t) => {
  for (const listed of [[proxy], ['10.0.0.0/8', '127.0.0.0/8']]) {
    const ask = await start(t, listed);
    const guesses: number[] = [];
    for (let n = 0; n < 5; n += 1) guesses.push(await ask('203.0.113.1', `198.51.100.${n}`, 'wrong-token-0'));
    assert.deepEqual(guesses, [401, 401, 401, 429, 429]);
    assert.equal(await ask('203.0.113.1', '198.51.100.99', adminToken), 429);
    assert.equal(await ask('203.0.113.2', '198.51.100.1', adminToken), 200, 'another caller');
  }
});

test('a proxy that is not named has no word: all its callers are one', async (t) => {
  const ask = await start(t, ['192.0.2.1']);
  for (let n = 0; n < 3; n += 1) await ask(`203.0.113.${n}`, '198.51.100.1', 'wrong-token-0');
  assert.equal(await ask('203.0.113.9', '198.51.100.1', adminToken), 429);
});
