import type { GatewayReadings } from '../../src/observe/readings.ts';

type BackendReading = ReturnType<GatewayReadings['backends']>[number];

/** A healthy backend with one connection, as statistics read it. */
export function backendReading(given: Partial<BackendReading> = {}): BackendReading {
  const healthy = {
    adminState: 'enabled',
    health: 'healthy',
    usable: true,
    lastCheck: null,
    ejectedUntil: null,
  } as const;
  return { id: 'a', ...healthy, connections: 1, ...given };
}
