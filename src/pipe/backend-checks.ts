/** The health checks of a gateway, which ask as its pipes would dial: by allowedBackends, with backendTls. */
import { checkGet, checkHandshake } from '../link/backend-check.ts';
import { HealthChecks } from '../pool/health-checks.ts';
import { refusalStatus } from './failover-policy.ts';
import type { PipeManager } from './pipe-manager.ts';

/** @returns null where pool.health.kind is 'off'. */
export function backendChecks({
  options,
  pool,
  events,
  wheel,
}: Pick<PipeManager, 'options' | 'pool' | 'events' | 'wheel'>): HealthChecks | null {
  const settings = options.pool.health;
  if (settings.kind === 'off') return null;
  const handshake = settings.kind === 'websocket';
  return new HealthChecks({
    settings,
    pool,
    events,
    wheel,
    check: ({ url }, owner) => {
      const target = {
        url,
        path: settings.path ?? `${url.pathname}${url.search}`,
        tls: options.backendTls?.current,
        refuseAddress: (address: string) => pool.allowed.refuseAddress(address),
      };
      return (handshake ? checkHandshake : checkGet)(target, {
        checkPassed: (answer) => owner.checkPassed(answer),
        dialFailed: (error) => {
          // As for a client's dial: one that wants a login, or another path, is there and answers.
          if (handshake && refusalStatus(error) !== null) owner.checkPassed(error.detail);
          else owner.checkFailed(error.detail);
        },
      });
    },
  });
}
