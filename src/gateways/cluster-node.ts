/** One gateway among others: what it shares with them, from its start to its end. Without the option cluster there is none. */
import { randomBytes } from 'node:crypto';
import { Courier } from '../cluster/courier.ts';
import { Membership } from '../cluster/membership.ts';
import type { GatewayFacts } from '../cluster/records.ts';
import type { ClusterStore } from '../cluster/store.ts';
import type { PipeManager } from '../pipe/pipe-manager.ts';
import { FleetView } from './fleet-view.ts';
import { Handovers } from './handovers.ts';
import { SharedConfig } from './shared-config.ts';
import { SharedPool } from './shared-pool.ts';
import type { GatewayPage, GatewayView } from './views.ts';

export interface ClusterNodeSettings {
  readonly manager: PipeManager;
  /** It is closed when the node stops. */
  readonly store: ClusterStore;
  readonly version: string;
  readonly onError: (error: unknown) => void;
}

export class ClusterNode {
  readonly id: string;
  readonly membership: Membership;
  readonly courier: Courier;
  readonly pool: SharedPool;
  readonly config: SharedConfig;
  readonly handovers: Handovers;
  readonly fleet: FleetView;
  readonly #store: ClusterStore;

  constructor({ manager, store, version, onError }: ClusterNodeSettings) {
    const { name, address, beatMs, memberTtlMs, pollMs, maxHandoverBytes: maxBytes } = manager.options.cluster;
    const { events } = manager;
    this.#store = store;
    this.id = makeGatewayId(name);
    const startedAt = Date.now();
    const facts = (): GatewayFacts => {
      const { size: pipes, closing } = manager;
      return { v: 1, name, address, version, startedAt, pipes, closing };
    };
    this.membership = new Membership({ store, id: this.id, facts, beatMs, memberTtlMs, events, onError });
    const { membership } = this;
    const gateways = (): string[] => membership.members.map((member) => member.id);
    this.courier = new Courier({ store, id: this.id, gateways, onError });
    const { courier } = this;
    const sharing = { store, courier, membership, pollMs, onError };
    this.pool = new SharedPool(manager, sharing);
    this.config = new SharedConfig(manager, sharing);
    this.handovers = new Handovers({ manager, store, courier, membership, maxBytes, onError });
    this.fleet = new FleetView({ manager, courier, membership });
    manager.claims = this.handovers;
    manager.peers = this.fleet;
    manager.clusterState = () => ({
      up: membership.up,
      reason: membership.failure,
      gateways: membership.members.length,
    });
  }

  /** Joins the others and takes over what they share, as far as the store can be reached: it does not wait for one that cannot. */
  async start(): Promise<void> {
    this.pool.start();
    this.config.start();
    this.handovers.start();
    this.fleet.start();
    this.courier.start();
    await this.membership.start();
    await Promise.all([this.pool.look(), this.config.look()]);
  }

  /** Leaves the others. Idempotent. */
  async stop(): Promise<void> {
    this.pool.stop();
    this.config.stop();
    this.handovers.stop();
    this.fleet.stop();
    this.courier.stop();
    await this.membership.stop();
    await this.#store.close();
  }

  gateways(): GatewayPage {
    const { members, up, failure } = this.membership;
    return { gateways: members.map((member) => this.#view(member)), up, failure };
  }

  #view({ id, facts, ageMs }: Membership['members'][number]): GatewayView {
    return {
      id,
      name: facts?.name ?? id.slice(0, id.lastIndexOf('.')),
      address: facts?.address ?? '',
      version: facts?.version ?? null,
      startedAt: facts === null ? null : new Date(Math.min(facts.startedAt, maxDate)).toISOString(),
      pipes: facts?.pipes ?? null,
      closing: facts?.closing ?? false,
      ageMs: Math.round(ageMs),
      self: id === this.id,
    };
  }
}

/** The last that a Date can be. */
const maxDate = 8.64e15;

/** New with each start: what a process that died has left behind is not taken for ours. */
function makeGatewayId(name: string): string {
  const random = randomBytes(4).toString('base64url').slice(0, 6);
  return `${name}.${random}`;
}
