/** What the tests of backends found by DNS share. */
import { startBackend } from '../support/backend-process.ts';
import { type DnsServer, startDnsServer } from '../support/dns-server.ts';
import { startGateway, type TestGateway, type TestGatewayOptions } from '../support/gateway.ts';
import type { Owner } from '../support/owner.ts';
import { until } from '../support/wait.ts';

export const dnsName = 'chat-backends.test';
type DnsOptions = NonNullable<NonNullable<TestGatewayOptions['discovery']>['dns']>;

/** A gateway that asks `dns` often, and forgets soon. */
export function startDiscovering(
  t: Owner,
  dns: DnsServer,
  options: DnsOptions,
  more: TestGatewayOptions = {},
): Promise<TestGateway> {
  const given = { name: dnsName, servers: [dns.address], intervalMs: 100, timeoutMs: 400, graceMs: 200, ...options };
  return startGateway(t, { discovery: { dns: given }, ...more });
}

/** Backends at 127.0.0.1, 127.0.0.2 ..., all at one port, as those of one name are. */
export async function startAtOnePort(t: Owner, count: number, port = 0) {
  const first = await startBackend(t, { tag: '1', port, record: { textBytes: 64 } });
  const others = Array.from({ length: count - 1 }, (_, index) =>
    startBackend(t, { tag: `${index + 2}`, host: `127.0.0.${index + 2}`, port: first.port, record: { textBytes: 64 } }),
  );
  return [first, ...(await Promise.all(others))];
}

/** Resolves when a lookup that began after now is over. */
export async function nextLookup(gateway: TestGateway, result: string, count = 2): Promise<void> {
  const before = gateway.eventsOf('discovery.answered').filter((one) => one.result === result).length;
  const now = () => gateway.eventsOf('discovery.answered').filter((one) => one.result === result).length;
  await until(() => now() >= before + count, { what: `${count} lookups that end as ${result}` });
}

export function backendIds(gateway: TestGateway): string[] {
  return gateway.manager.backends().map(({ id }) => id);
}

export { startDnsServer };
