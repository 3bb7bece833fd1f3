import assert from 'node:assert/strict';
import { test } from 'node:test';
import { adminToken, startGateway } from '../support/gateway.ts';
import { assertReached, behindProxy, from } from './limits-scenario.ts';

test('admin.maxFailures: an address that goes on guessing tokens is seen in the metrics', async (t) => {
  const admin = { auth: { tokens: [adminToken] }, maxFailures: 2 };
  const gateway = await startGateway(t, { ...behindProxy, admin });
  const guess = async (): Promise<number> => {
    const { headers } = from('203.0.113.1', { authorization: 'Bearer wrong-token-0' });
    return (await fetch(`${gateway.httpUrl}/backends`, { headers })).status;
  };
  assert.deepEqual([await guess(), await guess(), await guess()], [401, 401, 429]);
  await assertReached(gateway, 'holdfast_admin_refused_total{code="HOLDFAST_ERR_TOO_MANY_FAILURES"}', 1);
});
