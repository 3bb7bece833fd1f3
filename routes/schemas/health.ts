import { Type } from 'typebox';
import type { Readiness } from '../admin-target.ts';

export const LivenessSchema = Type.Object(
  { status: Type.Enum(['ok']) },
  { $id: 'Liveness', description: 'The process answers.' },
);

export const ReadinessSchema = Type.Object(
  {
    ready: Type.Boolean({ description: 'True while new clients are welcome.' }),
    reason: Type.Union([Type.String(), Type.Null()], { description: 'Why not; null when ready.' }),
    pipes: Type.Integer({ minimum: 0, description: 'Live pipes.' }),
    usableBackends: Type.Integer({ minimum: 0, description: 'Backends a new pipe could go to.' }),
  },
  { $id: 'Readiness', description: 'Whether new clients should be sent here.' },
);

export const exampleReady: Readiness = { ready: true, reason: null, pipes: 1840, usableBackends: 3 };
export const exampleNotReady: Readiness = {
  ready: false,
  reason: 'no usable backend',
  pipes: 1840,
  usableBackends: 0,
};
