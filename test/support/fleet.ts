/** Gateways that ask each other, on a store in memory, without pipes or sockets: gw0.aaaaaa, gw1.aaaaaa, ... */
import { Courier } from '../../src/cluster/courier.ts';
import { Membership } from '../../src/cluster/membership.ts';
import { MemoryHub } from '../../src/cluster/memory-store.ts';
import { Fleet } from '../../src/gateways/fleet.ts';
import { EventStream } from '../../src/observe/events.ts';
import type { Owner } from './owner.ts';
import { UnsteadyStore } from './unsteady-store.ts';

export interface FleetMember {
  readonly id: string;
  readonly store: UnsteadyStore;
  readonly courier: Courier;
  readonly fleet: Fleet;
}

export async function startFleet(t: Owner, count: number): Promise<FleetMember[]> {
  const hub = new MemoryHub();
  const onError = (error: unknown): void => {
    throw error;
  };
  const all = Array.from({ length: count }, (_, number) => {
    const id = `gw${number}.aaaaaa`;
    const store = new UnsteadyStore(hub);
    const facts = { v: 1 as const, name: id, address: '', version: '', startedAt: 0, pipes: 0, closing: false };
    const membership = new Membership({ store, id, facts: () => facts, events: new EventStream(onError), onError });
    const courier = new Courier({ store, id, gateways: () => membership.members.map((one) => one.id), onError });
    courier.start();
    t.after(async () => {
      courier.stop();
      await membership.stop();
    });
    return { id, store, membership, courier, fleet: new Fleet(membership, courier) };
  });
  for (const { membership } of all) await membership.start();
  // The first ones have begun before the last one came.
  for (const { membership } of all) await membership.findAlive(`gw${count - 1}.aaaaaa`);
  return all;
}
