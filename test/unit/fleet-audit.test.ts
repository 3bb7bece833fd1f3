/** The audit of several gateways is one list, newest first, without holes; what does not fit is not believed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FleetAudit } from '../../src/gateways/fleet-audit.ts';
import type { AuditChange, AuditView } from '../../src/observe/audit-trail.ts';
import { startFleet } from '../support/fleet.ts';
import type { Owner } from '../support/owner.ts';

const change = (second: number, after: unknown = null): AuditChange => ({
  ...{ actor: 'deploy', role: 'write', actorIp: '10.0.0.1', action: 'updateBackend', target: `t-${second}` },
  ...{ before: null, after, statusCode: 200, at: new Date(1_790_000_000_000 + second * 1000).toISOString() },
});

async function audited(t: Owner, ...trails: AuditView[]) {
  const members = await startFleet(t, trails.length);
  return members.map((member, at) => {
    const audit = new FleetAudit({ audit: () => trails[at]! }, member.fleet);
    audit.serve(member.courier);
    return { id: member.id, audit };
  });
}

const targets = ({ changes }: AuditView) => changes.map(({ target }) => target);

test('the changes of all gateways, each with its gateway, newest first, and no more than one gateway keeps', async (t) => {
  const even = { changes: [8, 6, 4, 2].map((second) => change(second)), refusals: [] };
  const odd = { changes: [7, 5, 3, 1].map((second) => change(second)), refusals: [] };
  const [one, two] = await audited(t, even, odd);
  const view = await two!.audit.view({});
  assert.deepEqual(targets(view), ['t-8', 't-7', 't-6', 't-5', 't-4', 't-3', 't-2', 't-1']);
  assert.deepEqual(
    view.changes.map(({ gateway }) => gateway),
    [0, 1, 2, 3].flatMap(() => [one!.id, two!.id]),
  );
  assert.deepEqual([view.partial, view.missing], [false, []]);
  assert.deepEqual(targets(await two!.audit.view({ gateway: one!.id })), targets(even));
  assert.deepEqual(await two!.audit.view({ gateway: 'self' }), odd);
  await assert.rejects(two!.audit.view({ gateway: 'gw9.aaaaaa' }), { code: 'HOLDFAST_ERR_GATEWAY_NOT_FOUND' });

  const many = { changes: Array.from({ length: 400 }, (_, n) => change(1000 - n)), refusals: [] };
  const more = { changes: Array.from({ length: 400 }, (_, n) => change(999.5 - n)), refusals: [] };
  const full = await (await audited(t, many, more))[0]!.audit.view({});
  assert.equal(full.changes.length, 500);
  assert.equal(full.changes.at(-1)!.at, change(750.5).at);
});

test('of a gateway whose list has too many bytes for a message the newest come, and nothing older of the others', async (t) => {
  const long = { changes: Array.from({ length: 20 }, (_, n) => change(100 - n, 'x'.repeat(50_000))), refusals: [] };
  const short = { changes: [99.5, 98.5, 50, 20].map((second) => change(second)), refusals: [] };
  const [asked] = await audited(t, short, long);
  const view = await asked!.audit.view({});
  assert.deepEqual(targets(view), ['t-100', 't-99.5', 't-99', 't-98.5', 't-98', 't-97', 't-96']);
});

test('a gateway that sends what is no audit is missing', async (t) => {
  const own = { changes: [change(1)], refusals: [] };
  for (const lie of [
    { ...change(2), at: 'tomorrow' },
    { ...change(2), role: 'root' },
    { ...change(2), gateway: 'gw0.aaaaaa' },
  ]) {
    const [asked, liar] = await audited(t, own, { changes: [lie as AuditChange], refusals: [] });
    const view = await asked!.audit.view({});
    assert.deepEqual([targets(view), view.partial, view.missing], [['t-1'], true, [liar!.id]]);
  }
});
