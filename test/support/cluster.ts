/** Several gateways that are one: of this process, on a store in memory, or on any store that is given. */
import type { TestContext } from 'node:test';
import { MemoryHub, MemoryStore } from '../../src/cluster/memory-store.ts';
import type { ClusterStore } from '../../src/cluster/store.ts';
import type { GatewayPage } from '../../src/gateways/views.ts';
import type { BackendPage } from '../../src/pool/views.ts';
import { startGateway, type TestGateway, type TestGatewayOptions } from './gateway.ts';
import { until } from './wait.ts';

export interface ClusterOptions extends Omit<TestGatewayOptions, 'cluster'> {
  readonly cluster?: Omit<NonNullable<TestGatewayOptions['cluster']>, 'store'>;
  /** Of gateway `number`, from 0. Default: all on one MemoryHub. */
  readonly store?: (number: number) => ClusterStore;
}

/** Starts `count` gateways named gw-0, gw-1, ..., and waits until each knows of all. A beat is 100 ms. */
export async function startCluster(t: TestContext, count: number, given: ClusterOptions = {}): Promise<TestGateway[]> {
  const hub = new MemoryHub();
  const { store = () => new MemoryStore(hub), cluster, ...options } = given;
  const gateways: TestGateway[] = [];
  for (let number = 0; number < count; number += 1)
    gateways.push(
      await startGateway(t, {
        ...options,
        cluster: { name: `gw-${number}`, beatMs: 100, memberTtlMs: 2000, ...cluster, store: store(number) },
      }),
    );
  await until(async () => (await Promise.all(gateways.map(membersOf))).every((ids) => ids.length === count), {
    what: `${count} gateways that know each other`,
  });
  return gateways;
}

/** Ids of the gateways, as this one sees them. */
export async function membersOf(gateway: Pick<TestGateway, 'admin'>): Promise<string[]> {
  const { body } = await gateway.admin('GET', '/gateways');
  return (body as GatewayPage).gateways.map(({ id }) => id);
}

export async function poolOf(gateway: Pick<TestGateway, 'admin'>): Promise<BackendPage> {
  return (await gateway.admin('GET', '/backends')).body as BackendPage;
}
