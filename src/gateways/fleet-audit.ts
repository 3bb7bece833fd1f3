/** Who changed what through the admin API of any gateway: the newest of all, newest first, by the clocks of the gateways. */
import { type TSchema, Type } from 'typebox';
import { adminRoles } from '../admin/settings.ts';
import type { Courier, Question } from '../cluster/courier.ts';
import {
  type AuditChange,
  type AuditQuery,
  type AuditRefusal,
  type AuditView,
  keptChanges,
  keptRefusals,
} from '../observe/audit-trail.ts';
import type { PipeManager } from '../pipe/pipe-manager.ts';
import { ownGateway } from '../pipe/pipe-pages.ts';
import { completeness, type Fleet } from './fleet.ts';

/** Bytes of each of the two lists that one gateway sends; a single row may have more. */
const listBytes = 262_144;

const closed = { additionalProperties: false } as const;
const text = Type.String({ maxLength: 1024 });
const statusCode = Type.Integer();
/** `whole` = there are no older ones, or none that count. */
const listOf = <T extends TSchema>(row: T, maxItems: number) =>
  Type.Object({ rows: Type.Array(row, { maxItems }), whole: Type.Boolean() }, closed);
/** ISO 8601 in UTC: such times are sorted as they are written. */
const at = Type.String({ pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z$' });

const auditQuestion = {
  kind: 'audit',
  asks: Type.Object({}, closed),
  answers: Type.Object(
    {
      changes: listOf(
        Type.Object(
          {
            ...{ at, actor: text, role: Type.Enum(adminRoles), actorIp: text, action: text, target: text },
            ...{ before: Type.Unknown(), after: Type.Unknown(), statusCode },
          },
          closed,
        ),
        keptChanges,
      ),
      refusals: listOf(
        Type.Object(
          {
            ...{ at, actor: Type.Union([text, Type.Null()]), actorIp: text },
            ...{ method: text, route: text, statusCode, code: text },
          },
          closed,
        ),
        keptRefusals,
      ),
    },
    closed,
  ),
} satisfies Question;

interface List<T> {
  readonly rows: readonly T[];
  readonly whole: boolean;
}

type Audited = { readonly at: string };

export class FleetAudit {
  readonly #manager: Pick<PipeManager, 'audit'>;
  readonly #fleet: Fleet;

  constructor(manager: Pick<PipeManager, 'audit'>, fleet: Fleet) {
    this.#manager = manager;
    this.#fleet = fleet;
  }

  /** Answers what others ask. @returns what ends that. */
  serve(courier: Courier): () => void {
    return courier.serve(auditQuestion, () => {
      const { changes, refusals } = this.#manager.audit();
      return { changes: newest(changes), refusals: newest(refusals) };
    });
  }

  /**
   * @throws HOLDFAST_ERR_GATEWAY_NOT_FOUND, HOLDFAST_ERR_STORE_UNAVAILABLE, HOLDFAST_ERR_PEER_SILENT, HOLDFAST_ERR_PEER_FAILED: where one
   * gateway is asked for.
   */
  async view({ gateway }: AuditQuery): Promise<AuditView> {
    const { id } = this.#fleet;
    if (gateway !== undefined && gateway !== ownGateway && gateway !== id) {
      const { changes, refusals } = await this.#fleet.ask(gateway, auditQuestion, {});
      return { changes: changes.rows, refusals: refusals.rows };
    }
    const own = this.#manager.audit();
    if (gateway !== undefined) return own;
    const heard = await this.#fleet.askAll(auditQuestion, {});
    const answer = { changes: { rows: own.changes, whole: true }, refusals: { rows: own.refusals, whole: true } };
    const all = [{ gateway: id, answer }, ...heard.answers];
    const changes = all.map((one): [string, List<AuditChange>] => [one.gateway, one.answer.changes]);
    const refusals = all.map((one): [string, List<AuditRefusal>] => [one.gateway, one.answer.refusals]);
    return {
      changes: merge(changes, keptChanges),
      refusals: merge(refusals, keptRefusals),
      ...completeness(heard),
    };
  }
}

/** As many as fit, at least one. */
function newest<T extends Audited>(all: readonly T[]): { rows: T[]; whole: boolean } {
  const rows: T[] = [];
  let bytes = 0;
  for (const row of all) {
    bytes += Buffer.byteLength(JSON.stringify(row));
    if (rows.length > 0 && bytes > listBytes) return { rows, whole: false };
    rows.push(row);
  }
  return { rows, whole: true };
}

/** Nothing that is older than what a gateway left out: what is shown has no holes. */
function merge<T extends Audited>(lists: readonly [string, List<T>][], most: number): (T & { gateway: string })[] {
  const since = lists
    .map(([, { rows, whole }]) => (whole ? '' : (rows.at(-1)?.at ?? '')))
    .reduce((a, b) => (a > b ? a : b));
  return lists
    .flatMap(([gateway, { rows }]) => rows.map((row) => ({ ...row, gateway })))
    .filter((row) => row.at >= since)
    .sort((one, other) => (one.at < other.at ? 1 : one.at > other.at ? -1 : 0))
    .slice(0, most);
}
