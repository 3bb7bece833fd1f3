/** What all gateways know of the pool, as it lies in the store, and how a change is laid over it. Pure. */
import { type Static, Type } from 'typebox';
import { GatewayId } from '../cluster/records.ts';
import { BackendDraining, BackendExists, BackendNotFound } from '../errors.ts';
import { backendUrlKey, backendUrlText } from '../pool/backend-url.ts';
import { adminStates, BackendInput } from '../pool/settings.ts';

const closed = { additionalProperties: false } as const;

export const PoolEntry = Type.Object(
  {
    ...Type.Required(BackendInput).properties,
    adminState: Type.Enum(adminStates),
    /** Its pipes move away, then it goes. `gateway` sees to that, or any other when the time is long over. */
    removal: Type.Union([
      Type.Object(
        {
          startedAt: Type.Integer({ minimum: 0, maximum: 8.64e15 }),
          timeoutMs: Type.Integer({ minimum: 1, maximum: 86_400_000 }),
          gateway: GatewayId,
        },
        closed,
      ),
      Type.Null(),
    ]),
    /** Ms since 1970. */
    registeredAt: Type.Integer({ minimum: 0, maximum: 8.64e15 }),
    /** Another one after each change of this backend. */
    version: Type.Integer({ minimum: 0 }),
  },
  closed,
);
export type PoolEntry = Static<typeof PoolEntry>;
export type Removal = NonNullable<PoolEntry['removal']>;

export const PoolRecord = Type.Object({ v: Type.Literal(1), backends: Type.Array(PoolEntry) }, closed);
export type PoolRecord = Static<typeof PoolRecord>;

export interface EntryChange {
  readonly weight?: number;
  readonly maxConnections?: number | null;
  readonly adminState?: PoolEntry['adminState'];
}

export function findEntry({ backends }: PoolRecord, backendId: string): PoolEntry | undefined {
  return backends.find((entry) => entry.id === backendId);
}

/** In any spelling of the address. */
export function findEntryByUrl({ backends }: PoolRecord, address: string): PoolEntry | undefined {
  if (!URL.canParse(address)) return undefined;
  const key = backendUrlKey(new URL(address));
  return backends.find((entry) => keyOf(entry) === key);
}

/** What two spellings of one address have in common. */
export function keyOf(entry: PoolEntry): string {
  return URL.canParse(entry.url) ? backendUrlKey(new URL(entry.url)) : entry.url;
}

/** @throws HOLDFAST_ERR_BACKEND_EXISTS */
export function withEntry(record: PoolRecord, input: Required<BackendInput>, version: number): PoolRecord {
  const byId = findEntry(record, input.id);
  if (byId !== undefined) throw new BackendExists('id', byId.id, byId.id);
  const byUrl = findEntryByUrl(record, input.url);
  if (byUrl !== undefined) throw new BackendExists('url', backendUrlText(new URL(byUrl.url)), byUrl.id);
  const entry: PoolEntry = { ...input, adminState: 'enabled', removal: null, registeredAt: Date.now(), version };
  return { v: 1, backends: [...record.backends, entry] };
}

/** A state that is given ends a removal. @throws HOLDFAST_ERR_BACKEND_NOT_FOUND */
export function changeEntry(record: PoolRecord, backendId: string, change: EntryChange): PoolRecord {
  return replace(record, backendId, (entry) => ({
    ...entry,
    ...change,
    removal: change.adminState === undefined || change.adminState === entry.adminState ? entry.removal : null,
  }));
}

/** @throws HOLDFAST_ERR_BACKEND_NOT_FOUND, HOLDFAST_ERR_BACKEND_DRAINING */
export function drainEntry(record: PoolRecord, backendId: string, removal: Removal): PoolRecord {
  return replace(record, backendId, (entry) => {
    if (entry.removal !== null) throw new BackendDraining(backendId, 'draining already');
    return { ...entry, adminState: 'draining', removal };
  });
}

/** @throws HOLDFAST_ERR_BACKEND_NOT_FOUND */
export function withoutEntry(record: PoolRecord, backendId: string): PoolRecord {
  if (findEntry(record, backendId) === undefined) throw new BackendNotFound(backendId);
  return { v: 1, backends: record.backends.filter((entry) => entry.id !== backendId) };
}

function replace(record: PoolRecord, backendId: string, change: (entry: PoolEntry) => PoolEntry): PoolRecord {
  if (findEntry(record, backendId) === undefined) throw new BackendNotFound(backendId);
  const backends = record.backends.map((entry) =>
    entry.id === backendId ? { ...change(entry), version: entry.version + 1 } : entry,
  );
  return { v: 1, backends };
}
