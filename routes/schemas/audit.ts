import { type TSchema, Type } from 'typebox';
import { adminRoles } from '../../src/admin/settings.ts';
import type { AuditChange, AuditRefusal, AuditView } from '../../src/observe/audit-trail.ts';
import { completeness, gatewayId } from './fleet.ts';

const gateway = Type.Optional(gatewayId);
const at = Type.String({ format: 'date-time', description: 'When, UTC.' });
const statusCode = Type.Integer({ description: 'What was answered.' });
const actorIp = Type.String({ description: 'Address the request came from.' });

const change = Type.Object({
  at,
  actor: Type.String({ description: 'Name of the token, or what the hook of the host says.' }),
  role: Type.Enum(adminRoles, { description: 'What it may do.' }),
  actorIp,
  action: Type.String({ description: 'operationId of the request.' }),
  target: Type.String({ description: 'Id of the backend or pipe, or the section of the configuration.' }),
  before: Type.Unknown({ description: 'As it was; null = it was not there.' }),
  after: Type.Unknown({ description: 'As it is since; null = it is gone.' }),
  statusCode,
  gateway,
} satisfies Record<keyof AuditChange, TSchema>);

const refusal = Type.Object({
  at,
  actor: Type.Union([Type.String(), Type.Null()], { description: 'Null = somebody unknown.' }),
  actorIp,
  method: Type.String(),
  route: Type.String({ description: 'The route that was asked for, as it stands in this document.' }),
  statusCode,
  code: Type.String({ description: 'Code of the error that was answered.' }),
  gateway,
} satisfies Record<keyof AuditRefusal, TSchema>);

export const AuditSchema = Type.Object(
  {
    changes: Type.Array(change, { description: 'At most 500, newest first.' }),
    refusals: Type.Array(refusal, { description: 'At most 100, newest first.' }),
    ...completeness,
  } satisfies Record<keyof AuditView, TSchema>,
  { $id: 'Audit', description: 'Who changed what, and who was refused, since the start.' },
);

export const exampleAudit: AuditView = {
  changes: [
    {
      at: '2026-03-01T08:15:30.120Z',
      actor: 'deploy',
      role: 'write',
      actorIp: '10.0.3.9',
      action: 'updateBackend',
      target: 'chat-2',
      before: { weight: 1 },
      after: { weight: 3 },
      statusCode: 200,
    },
  ],
  refusals: [
    {
      at: '2026-03-01T08:11:02.004Z',
      actor: 'grafana',
      actorIp: '10.0.3.12',
      method: 'DELETE',
      route: '/pipes/:id',
      statusCode: 403,
      code: 'HOLDFAST_ERR_FORBIDDEN',
    },
  ],
};
