/** What may be changed of a registered backend: the body of PATCH /backends/:id and the argument of BackendPool.update. */
import { type Static, Type } from 'typebox';
import { adminStates } from './settings.ts';

export const BackendPatch = Type.Object(
  {
    weight: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, description: 'Share of new pipes.' })),
    maxConnections: Type.Optional(
      Type.Union([Type.Integer({ minimum: 1, maximum: 1_000_000 }), Type.Null()], {
        description: 'Most pipes at one time; null = no limit. Pipes over a lowered limit stay.',
      }),
    ),
    adminState: Type.Optional(
      Type.Enum(adminStates, { description: 'draining and disabled get no new pipes; draining is being emptied.' }),
    ),
  },
  { additionalProperties: false },
);
export type BackendPatch = Static<typeof BackendPatch>;
