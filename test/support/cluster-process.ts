/** A gateway among others in a process of its own, on a real Redis: to be frozen, killed, or ended by SIGTERM. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { HoldfastOptions } from '../../src/options.ts';
import { cleanEnvironment } from './clean-environment.ts';
import { adminToken } from './gateway.ts';
import { endWith, type OptionalOwner } from './owner.ts';
import { withTimeout } from './wait.ts';

const main = fileURLToPath(new URL('./cluster-gateway-main.ts', import.meta.url));

export interface GatewayProcess {
  readonly child: ChildProcess;
  readonly port: number;
  /** ws://127.0.0.1:port/ws */
  readonly url: string;
  /** A request to the admin API, and how long its answer took. */
  admin(method: string, path: string): Promise<{ status: number; body: unknown; tookMs: number }>;
}

/** @param redis url of its Redis. The token of the admin API is `adminToken`. */
export async function startGatewayProcess(
  t: OptionalOwner,
  redis: string,
  given: HoldfastOptions,
): Promise<GatewayProcess> {
  const options: HoldfastOptions = { admin: { auth: { tokens: [adminToken] } }, ...given };
  const child = fork(main, [JSON.stringify({ redis, options })], {
    execArgv: ['--import', 'tsx'],
    env: cleanEnvironment(),
  });
  // Ends a frozen one as well.
  endWith(t, () => void child.kill('SIGKILL'));
  const [{ port }] = (await withTimeout(once(child, 'message'), 45_000, 'a gateway to start')) as [{ port: number }];
  return {
    child,
    port,
    url: `ws://127.0.0.1:${port}/ws`,
    admin: async (method, path) => {
      const begun = performance.now();
      const headers = { authorization: `Bearer ${adminToken}` };
      const response = await fetch(`http://127.0.0.1:${port}${path}`, { method, headers });
      const text = await response.text();
      const body = text === '' ? null : (JSON.parse(text) as unknown);
      return { status: response.status, body, tookMs: performance.now() - begun };
    },
  };
}
