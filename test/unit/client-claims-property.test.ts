/** Whatever happens, in whatever order: when all is quiet again each id has one client at most, and the store says which. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { clientKey } from '../../src/cluster/keys.ts';
import { MemoryHub } from '../../src/cluster/memory-store.ts';
import { claimOf, type FakeClaimedPipe, startClaiming } from '../support/claiming-gateway.ts';
import { until } from '../support/wait.ts';

const gatewayCount = 3;
const clientIds = ['anna', 'bert'];

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('come'), at: fc.nat(2), client: fc.nat(1), user: fc.nat(1) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('leave', 'detach'), which: fc.nat(20) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('fail', 'mend', 'keep'), at: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('lose', 'wait') }) },
);
type Step = {
  readonly kind: string;
  readonly at?: number;
  readonly client?: number;
  readonly user?: number;
  readonly which?: number;
};

for (const onDuplicate of ['reject', 'replace'] as const)
  test(`random comings, goings and failures of the store (${onDuplicate})`, async (t) => {
    const run = async (steps: readonly Step[]): Promise<void> => {
      const hub = new MemoryHub();
      const after: (() => Promise<void>)[] = [];
      const owner = { after: (fn: () => Promise<void>) => void after.push(fn) };
      const gateways = await Promise.all(
        Array.from({ length: gatewayCount }, (_, n) => startClaiming(owner, hub, `gw${n}`, onDuplicate)),
      );
      const pipes: FakeClaimedPipe[] = [];
      const takes: Promise<void>[] = [];
      for (const { kind, at = 0, client = 0, user = 0, which = 0 } of steps) {
        const gateway = gateways[at]!;
        const pipe = pipes[which % Math.max(1, pipes.length)];
        if (kind === 'come') {
          const clientId = clientIds[client]!;
          const principal = `user-${user}`;
          // As the registry of the gateway, which judges first.
          const older = pipes.find(
            (one) => one.at === at && one.request.clientId === clientId && one.state !== 'closed',
          );
          const same = older?.request.principal?.id === principal;
          if (older !== undefined && !(same && (onDuplicate === 'replace' || older.state === 'detached'))) continue;
          older?.close({ code: 4409, reason: 'replaced', initiator: 'gateway' });
          const newer = gateway.pipe(`p${pipes.length}`, { clientId, principal, openedAt: pipes.length, at });
          pipes.push(newer);
          takes.push(
            gateway.claims.take(newer).then((taken) => {
              if (!taken) newer.close({ code: 4409, reason: 'replaced', initiator: 'gateway' });
            }),
          );
        } else if (kind === 'leave') pipe?.close({ code: 1000, reason: 'closed', initiator: 'client' });
        else if (kind === 'detach' && pipe?.state === 'open') pipe.state = 'detached';
        else if (kind === 'fail') gateway.store.failure = 'disconnected';
        else if (kind === 'mend') gateway.store.failure = null;
        else if (kind === 'keep') void gateway.claims.keep();
        else if (kind === 'lose') for (const id of clientIds) hub.remove(clientKey(id));
        else if (kind === 'wait') await new Promise((resolve) => setTimeout(resolve, 15));
      }
      await Promise.all(takes);
      for (const { store } of gateways) store.failure = null;
      const live = (clientId: string) =>
        pipes.filter(({ state, request }) => state !== 'closed' && request.clientId === clientId);
      const settled = async (): Promise<boolean> => {
        await Promise.all(gateways.map(({ claims }) => claims.keep()));
        const kept = gateways.reduce((sum, { claims }) => sum + claims.size, 0);
        const ids = clientIds.filter((id) => live(id).length > 0);
        // What could not be removed while the store was away keeps nobody from having the id.
        return (
          kept === ids.length && ids.every((id) => live(id).length === 1 && claimOf(hub, id)?.pipe === live(id)[0]?.id)
        );
      };
      await until(settled, {
        timeoutMs: 5000,
        what: () => JSON.stringify(clientIds.map((id) => [live(id).map((one) => [one.id, one.at]), claimOf(hub, id)])),
      });
      for (const clientId of clientIds.filter((id) => live(id).length === 0))
        for (const gateway of gateways) {
          const next = gateway.pipe(`next-${gateway.id.slice(0, 3)}`, { clientId, principal: 'somebody' });
          assert.equal(await gateway.claims.take(next), true, `${clientId} is free`);
          next.close({ code: 1000, reason: 'closed', initiator: 'client' });
        }
      assert.deepEqual(
        gateways.flatMap(({ errors }) => errors),
        [],
      );
      for (const end of after) await end();
    };
    const steps = fc.array(step, { minLength: 5, maxLength: 40 });
    await fc.assert(fc.asyncProperty(steps, run), { numRuns: Number(process.env['HOLDFAST_CLAIM_RUNS'] ?? 40) });
    t.diagnostic('each id had one client at most, and the store knew which');
  });
