/** GET /audit of any gateway has what was changed, and refused, through all of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Value } from 'typebox/value';
import { AuditSchema } from '../../routes/schemas/audit.ts';
import type { AuditView } from '../../src/observe/audit-trail.ts';
import { startCluster } from '../support/cluster.ts';
import type { TestGateway } from '../support/gateway.ts';

test('who changed what, and who was refused, whichever gateway it was asked of', async (t) => {
  const gateways = await startCluster(t, 3);
  const [one, two, three] = gateways as [TestGateway, TestGateway, TestGateway];
  await one.admin('POST', '/backends', { url: 'ws://127.0.0.1:9001', id: 'a' });
  await two.admin('PATCH', '/backends/a', { weight: 3 });
  await one.admin('GET', '/backends', undefined, { authorization: 'Bearer a-wrong-one-0123456789' });
  await two.admin('DELETE', '/backends/nobody');
  const { status, body } = await three.admin('GET', '/audit');
  assert.equal(status, 200);
  assert.ok(Value.Check(AuditSchema, body), 'it does not fit its schema');
  const { changes, refusals, partial, missing } = body as AuditView;
  assert.deepEqual(
    changes.map(({ action, gateway }) => [action, gateway?.split('.')[0]]),
    [
      ['updateBackend', 'gw-1'],
      ['registerBackend', 'gw-0'],
    ],
  );
  assert.deepEqual(
    refusals.map(({ statusCode, gateway }) => [statusCode, gateway?.split('.')[0]]),
    [
      [404, 'gw-1'],
      [401, 'gw-0'],
    ],
  );
  assert.deepEqual([partial, missing], [false, []]);
  const own = (await three.admin('GET', '/audit?gateway=self')).body as AuditView;
  assert.deepEqual([own.changes, own.refusals], [[], []]);
  const other = (await three.admin('GET', `/audit?gateway=${changes[0]!.gateway}`)).body as AuditView;
  assert.deepEqual([other.changes.length, other.refusals.length], [1, 1]);
});

test('who says anything of his address hides nothing of what a gateway has refused', async (t) => {
  const gateways = await startCluster(t, 2, { fastify: { trustProxy: true } });
  const [one, two] = gateways as [TestGateway, TestGateway];
  const said = `fe80::1%${'x'.repeat(5000)}`;
  await one.admin('GET', '/backends', undefined, { authorization: 'Bearer a-wrong-one', 'x-forwarded-for': said });
  const { refusals, partial } = (await two.admin('GET', '/audit')).body as AuditView;
  assert.deepEqual([refusals.map(({ actorIp }) => actorIp), partial], [['127.0.0.1'], false]);
});
