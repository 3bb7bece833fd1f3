/** The store of worker processes keeps the contract of ClusterStore, with either serialization of node:cluster. */
import { after, describe, test } from 'node:test';
import { serveIpcStore } from '../../src/cluster/ipc/ipc-primary.ts';
import { IpcStore } from '../../src/cluster/ipc/ipc-store.ts';
import { channelThrough, forkWorker, killWorker, type TestWorker } from '../support/cluster-workers.ts';
import { storeScenarios } from '../support/store-contract.ts';

for (const serialization of ['json', 'advanced'] as const) {
  describe(`ipc, ${serialization}`, () => {
    let workers: Promise<TestWorker[]> | undefined;
    const fork = (): Promise<TestWorker[]> => {
      const module = 'ipc-relay-main.mjs';
      workers ??= Promise.all([1, 2].map(() => forkWorker(null, { module, serialization })));
      return workers;
    };
    after(async () => {
      for (const { worker } of await fork()) await killWorker(worker);
    });

    for (const { title, run } of storeScenarios) {
      test(title, async (t) => {
        const channels = (await fork()).map(channelThrough);
        const end = serveIpcStore();
        const [one, two] = channels.map((channel) => new IpcStore({ channel, timeoutMs: 5000 }));
        t.after(async () => {
          await Promise.all([one!.close(), two!.close()]);
          end();
        });
        await run({ one: one!, two: two! });
      });
    }
  });
}
