import { Type } from 'typebox';
import type { Readiness } from '../../src/pipe/views.ts';

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
    cluster: Type.Optional(
      Type.Object(
        {
          up: Type.Boolean({
            description: 'False = the store does not answer; the gateway goes on with what it knew.',
          }),
          reason: Type.Union([Type.String(), Type.Null()], { description: 'Why it does not; null when it does.' }),
          gateways: Type.Integer({ minimum: 0, description: 'Gateways at its last answer.' }),
        },
        { description: 'Only with several gateways. Does not decide whether it is ready.' },
      ),
    ),
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
