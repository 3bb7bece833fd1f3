/** Health checks of backends: what can be set about them. */
import { type Static, Type } from 'typebox';
import { OptionsInvalid } from '../errors.ts';
import { count, ms, oneOf, section } from '../settings.ts';

export const HealthOption = section(
  {
    kind: oneOf(
      ['off', 'websocket', 'http'],
      'How each backend is asked whether it is well, beside what its connections show: websocket = a handshake, closed again at once; http = a GET, where every status but 2xx is a failure; off = not at all.',
    ),
    path: Type.Optional(
      Type.String({
        // What may stand in a request, and no fragment.
        pattern: '^/[!"$-~]*$',
        maxLength: 1024,
        description:
          'Path that is asked for, with a query string if need be. Required for http; websocket: that of the backend where it is left out.',
      }),
    ),
    intervalMs: ms(5000, 'Time from one check of a backend to the next, longer only where a check takes longer.', 100),
    timeoutMs: ms(2000, 'Longest time for a check, from the lookup of the name to the answer.', 1),
    rise: count(2, 'Checks in a row that an unhealthy backend must pass to get new pipes again.', 1),
    fall: count(3, 'Checks in a row that a backend must fail to be unhealthy: it gets no new pipes.', 1),
  },
  'Health checks of backends. Each gateway, and each of its workers, asks for itself.',
);
export type HealthSettings = Readonly<Static<typeof HealthOption>>;

/** What no schema can say. @throws HOLDFAST_ERR_OPTIONS */
export function checkHealthOption({ kind, path }: HealthSettings): void {
  if (kind === 'http' && path === undefined)
    throw new OptionsInvalid(
      'pool.health.path is missing: a GET (pool.health.kind "http") needs one, such as /healthz.',
    );
}
