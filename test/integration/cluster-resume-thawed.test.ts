/** A gateway that was given up while it was only frozen: it goes on, and must not take up again what another gateway has ended in its place. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyKinds, pipeKey } from '../../src/cluster/keys.ts';
import { MemoryHub } from '../../src/cluster/memory-store.ts';
import { PipeRecord, readRecord } from '../../src/cluster/records.ts';
import { startBackend } from '../support/backend-process.ts';
import { startCluster } from '../support/cluster.ts';
import type { TestGateway } from '../support/gateway.ts';
import { connectResumable } from '../support/resume-client.ts';
import { UnsteadyStore } from '../support/unsteady-store.ts';
import { until } from '../support/wait.ts';

for (const ends of [false, true])
  test(`a frozen gateway goes on: it closes the pipe whose client has begun anew elsewhere${ends ? ', also where that gateway has ended since' : ''}`, async (t) => {
    const backend = await startBackend(t, { tag: 'a' });
    const hub = new MemoryHub();
    const stores = [new UnsteadyStore(hub), new UnsteadyStore(hub)] as const;
    const cluster = { memberTtlMs: 500 };
    const store = (number: number) => stores[number]!;
    const [frozen, other] = (await startCluster(t, 2, { backends: [backend.url], cluster, store })) as [
      TestGateway,
      TestGateway,
    ];
    const { welcome } = await connectResumable(t, frozen.url);
    const { pipe, token } = welcome;
    const recordOf = (id: string) => readRecord(PipeRecord, hub.get(pipeKey(id)!), keyKinds.pipe)?.value;
    await until(() => recordOf(pipe)?.state === 'held', { what: 'the record of the pipe' });

    stores[0].hold();
    await other.waitFor('cluster.left');
    const again = await connectResumable(t, other.url, { resume: { pipe, token, received: 0 } });
    assert.deepEqual([again.welcome.resumed, again.welcome.reason], [false, 'gateway-gone']);
    const lost = await connectResumable(t, other.url, { resume: { pipe, token, received: 0 } });
    assert.deepEqual([lost.welcome.resumed, lost.welcome.reason], [false, 'unknown'], 'it was given up once');
    if (ends) await other.close();

    stores[0].release();
    const { reason } = await frozen.waitFor('pipe.closed');
    assert.equal(reason, 'moved');
    assert.equal(recordOf(pipe)?.state, 'over');
  });
