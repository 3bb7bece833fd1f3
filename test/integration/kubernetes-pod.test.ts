import assert from 'node:assert/strict';
import test from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { configFile, startCommand, temporaryFolder } from '../support/command.ts';
import { startDnsServer } from '../support/dns-server.ts';
import { containerOf, environmentOf, manifest, mountTokens } from '../support/manifests.ts';
import { until } from '../support/wait.ts';

test('a gateway with the ConfigMap and the variables of deploy/kubernetes starts, answers the probes, and finds the backends of its headless Service', async (t) => {
  const { container } = containerOf('holdfast');
  const text = manifest('ConfigMap', 'holdfast').data?.['holdfast.json'] ?? '';
  const { discovery } = JSON.parse(text) as { discovery: { dns: { name: string } } };
  const dns = await startDnsServer(t);
  const backend = await startBackend(t, { tag: 'pod' });
  const pod = { 'metadata.name': 'holdfast-6c9f7d5b8-x2k4q', 'status.podIP': '127.0.0.1' };
  const env = mountTokens(environmentOf(container, pod), temporaryFolder(t));
  // What a pod has to itself: ports, addresses, the DNS of the cluster.
  const changed = text.replace('"10.0.0.0/8"] }', '"127.0.0.0/8"] }');
  assert.notEqual(changed, text);
  const command = await startCommand(t, {
    args: ['--config', configFile(t, changed)],
    withoutToken: true,
    env: {
      ...env,
      HOLDFAST_HOST: '127.0.0.1',
      HOLDFAST_ADMIN_HOST: '127.0.0.1',
      HOLDFAST_ADMIN_PORT: '0',
      HOLDFAST_DISCOVERY_DNS_SERVERS: dns.address,
      HOLDFAST_DISCOVERY_DNS_PORT: String(backend.port),
      HOLDFAST_DISCOVERY_DNS_INTERVAL_MS: '100',
    },
  });
  const probe = async (name: 'readinessProbe' | 'livenessProbe' | 'startupProbe') => {
    const { path, port } = container[name]?.httpGet ?? {};
    assert.equal(port, 'clients');
    return (await fetch(`${command.http}${path}`)).status;
  };
  assert.equal(await probe('startupProbe'), 200);
  assert.equal(await probe('livenessProbe'), 200);
  assert.equal(await probe('readinessProbe'), 503, 'no pod of the backends is ready');
  dns.set(discovery.dns.name, ['127.0.0.1']);
  await until(async () => (await probe('readinessProbe')) === 200, { what: 'the backends to be found' });
  const client = await connect(t, command.ws);
  assert.equal((await client.ask('hello')).text, 'pod:hello');
});
