import assert from 'node:assert/strict';
import { type ClusterStore, StoreFailure, type StoreFailureReason } from '../../src/cluster/store.ts';
import { until } from './wait.ts';

const value = Buffer.from('value');
/** Every verb that asks the server, and changes nothing that matters. */
export const verbs: Readonly<Record<string, (store: ClusterStore) => Promise<unknown>>> = {
  get: (store) => store.get('probe'),
  put: (store) => store.put('probe', { revision: Date.now(), value }, { ifRevision: 0, ttlMs: 1000 }),
  remove: (store) => store.remove('probe'),
  touch: (store) => store.touch([{ key: 'probe', revision: 1 }], 1000),
  beat: (store) => store.beat('gw-probe', value, 5000),
  leave: (store) => store.leave('gw-probe'),
  publish: (store) => store.publish('probe', value),
};

/** Each verb fails, with one of these reasons, within this time. */
export async function expectFailures(
  store: ClusterStore,
  reasons: readonly StoreFailureReason[],
  withinMs: number,
  names: readonly string[] = Object.keys(verbs),
): Promise<void> {
  await Promise.all(
    names.map(async (name) => {
      const startedAt = performance.now();
      const outcome = await verbs[name]!(store).then(
        () => 'no failure',
        (error: unknown) => (error instanceof StoreFailure ? error : `no StoreFailure: ${error}`),
      );
      if (!(outcome instanceof StoreFailure)) assert.fail(`${name}: ${outcome}`);
      assert.ok(reasons.includes(outcome.reason), `${name}: ${outcome.reason} instead of ${reasons}`);
      assert.equal(outcome.code, 'HOLDFAST_ERR_STORE_UNAVAILABLE');
      assert.equal(outcome.statusCode, 503);
      const tookMs = performance.now() - startedAt;
      assert.ok(tookMs < withinMs, `${name} took ${tookMs} ms`);
    }),
  );
}

/** All verbs are answered again, without anybody's help. */
export async function untilBack(store: ClusterStore, timeoutMs = 10_000): Promise<void> {
  await until(
    async () => {
      for (const verb of Object.values(verbs)) await verb(store);
      return true;
    },
    { what: 'the store to be back', timeoutMs },
  );
}
