/** The client ids of one gateway among others, without pipes and sockets: its store fails when told to, its pipes only remember what was done to them. */
import { Courier } from '../../src/cluster/courier.ts';
import { clientKey, keyKinds } from '../../src/cluster/keys.ts';
import { Membership } from '../../src/cluster/membership.ts';
import type { MemoryHub } from '../../src/cluster/memory-store.ts';
import { ClientClaim, readRecord } from '../../src/cluster/records.ts';
import { type ClaimedPipe, ClientClaims } from '../../src/gateways/client-claims.ts';
import type { PipeState } from '../../src/observe/vocabulary.ts';
import type { CloseOrder } from '../../src/pipe/close-orders.ts';
import type { Owner } from './owner.ts';
import { UnsteadyStore } from './unsteady-store.ts';
import { until } from './wait.ts';

export class FakeClaimedPipe implements ClaimedPipe {
  readonly id: string;
  readonly openedAt: number;
  readonly at: number;
  readonly request: ClaimedPipe['request'];
  readonly closings: CloseOrder[] = [];
  state: PipeState = 'open';
  readonly #claims: ClientClaims;

  constructor(
    claims: ClientClaims,
    id: string,
    { clientId = 'anna', principal, openedAt = 1, at = 0 }: FakePipeOptions,
  ) {
    this.#claims = claims;
    this.id = id;
    this.openedAt = openedAt;
    this.at = at;
    this.request = { clientId, clientIdGiven: true, principal: principal === undefined ? null : { id: principal } };
  }

  get codes(): number[] {
    return this.closings.map(({ code }) => code);
  }

  close(order: CloseOrder): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.closings.push(order);
    this.#claims.free(this);
  }
}

export interface FakePipeOptions {
  readonly clientId?: string;
  readonly principal?: string;
  readonly openedAt?: number;
  /** Number of its gateway, for the test. */
  readonly at?: number;
}

export interface ClaimingGateway {
  readonly id: string;
  readonly store: UnsteadyStore;
  readonly claims: ClientClaims;
  readonly membership: Membership;
  readonly courier: Courier;
  readonly errors: unknown[];
  pipe(id: string, options?: FakePipeOptions): FakeClaimedPipe;
  /** Its process is killed: nothing more is heard of it, and it counts as gone. */
  die(): Promise<void>;
}

export async function startClaiming(
  t: Owner,
  hub: MemoryHub,
  name: string,
  onDuplicate: 'reject' | 'replace' = 'reject',
): Promise<ClaimingGateway> {
  const store = new UnsteadyStore(hub);
  const errors: unknown[] = [];
  const onError = (error: unknown): void => void errors.push(error);
  const id = `${name}.aaaaaa`;
  const facts = () => ({ v: 1, name, address: '', version: '1', startedAt: 1, pipes: 0, closing: false }) as const;
  const events = { emit: () => {} };
  const membership = new Membership({ store, id, facts, beatMs: 10, memberTtlMs: 500, events, onError });
  const courier = new Courier({ store, id, gateways: () => membership.members.map((one) => one.id), onError });
  const claims = new ClientClaims({ store, courier, membership, onDuplicate, onError });
  courier.start();
  claims.start();
  await membership.start();
  const end = async (): Promise<void> => {
    claims.stop();
    courier.stop();
    await membership.stop();
  };
  t.after(end);
  const pipe = (pipeId: string, options: FakePipeOptions = {}) => new FakeClaimedPipe(claims, pipeId, options);
  return { id, store, claims, membership, courier, errors, pipe, die: end };
}

/** What the store says of a client; null = nothing. */
export function claimOf(hub: MemoryHub, clientId = 'anna'): ClientClaim | null {
  return readRecord(ClientClaim, hub.get(clientKey(clientId)), keyKinds.client)?.value ?? null;
}

/** Waits until the store says that this pipe has the client; null = that nobody has it. */
export async function untilClaimed(hub: MemoryHub, pipe: string | null, clientId = 'anna'): Promise<void> {
  await until(() => (claimOf(hub, clientId)?.pipe ?? null) === pipe, {
    what: () => `the claim of ${pipe}; it is ${JSON.stringify(claimOf(hub, clientId))}`,
  });
}
