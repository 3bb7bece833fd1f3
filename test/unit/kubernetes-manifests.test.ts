/** deploy/kubernetes says what the code says: options, variables, ports, probes and times. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type CommandSettings, endingTimeMs, loadSettings } from '../../src/config.ts';
import { GatewayMetrics } from '../../src/observe/metrics.ts';
import { resolveOptions } from '../../src/options.ts';
import { variables } from '../../src/variables.ts';
import { configFile, temporaryFolder } from '../support/command.ts';
import {
  containerOf,
  environmentOf,
  manifest,
  mountTokens,
  preStopMs,
  readManifests,
  readManifestText,
} from '../support/manifests.ts';

const gateway = containerOf('holdfast');
const backend = containerOf('chat');
const json = manifest('ConfigMap', 'holdfast').data?.['holdfast.json'] ?? '';

const pod = { 'metadata.name': 'holdfast-6c9f7d5b8-x2k4q', 'status.podIP': '10.1.2.3' };

/** As the pod would read them, with the Secret's files elsewhere. */
function settingsOfThePod(t: TestContext, secrets?: Parameters<typeof environmentOf>[2]): CommandSettings {
  const env = environmentOf(gateway.container, pod, secrets);
  return loadSettings(configFile(t, json), mountTokens(env, temporaryFolder(t)));
}

test('every document has a kind, a name of its own and the labels its selectors look for', () => {
  const all = readManifests();
  assert.ok(all.length >= 10, `${all.length}`);
  assert.equal(new Set(all.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).size, all.length);
  const pods = all.flatMap(({ spec }) => (spec?.template === undefined ? [] : [spec.template.metadata.labels]));
  for (const { kind, metadata, spec } of all) {
    const selector = spec?.selector?.matchLabels ?? spec?.selector;
    if (selector === undefined) continue;
    const found = pods.filter((labels) => Object.entries(selector).every(([key, value]) => labels[key] === value));
    assert.equal(found.length, 1, `${kind} ${metadata.name} selects one kind of pods`);
  }
  for (const { spec } of all)
    if (spec?.scaleTargetRef !== undefined) manifest(spec.scaleTargetRef.kind, spec.scaleTargetRef.name);
});

test('the configuration and the environment of the pod are what the command takes', (t) => {
  const known = variables.map(({ name }) => name);
  const used = (gateway.container.env ?? []).map(({ name }) => name);
  assert.ok(used.length >= 5);
  for (const name of used) assert.ok(known.includes(name) || name === 'POD_IP', name);
  const { admin, options } = settingsOfThePod(t);
  assert.deepEqual(
    admin.tokens?.map((token) => (typeof token === 'string' ? token : token.role)),
    ['write', 'read'],
  );
  assert.ok(options.discovery?.dns !== undefined);
});

test('a pod is known to the others by its name and the address of its admin port; with the Secret of redis.yaml it shares its store', (t) => {
  const alone = settingsOfThePod(t);
  assert.equal(alone.redis, undefined);
  assert.deepEqual(alone.options.cluster, {
    name: pod['metadata.name'],
    address: `http://10.1.2.3:${alone.admin.listen?.port}`,
  });
  const redis = manifest('Service', 'holdfast-redis');
  const told = /--from-literal=url="([^"]+)"/.exec(readManifestText('redis.yaml'))?.[1] ?? '';
  const { hostname, port } = new URL(told.replace('$PASSWORD', 'secret'));
  assert.deepEqual([hostname, Number(port)], [redis.metadata.name, redis.spec?.ports?.[0]?.port]);
  const shared = settingsOfThePod(t, { 'holdfast-redis': { url: told.replace('$PASSWORD', '0123') } });
  assert.equal(shared.redis?.url, 'redis://default:0123@holdfast-redis:6379');
});

test('ports and mounted files are those of the configuration', (t) => {
  const { port, admin, host } = settingsOfThePod(t);
  const ports = Object.fromEntries(gateway.container.ports.map(({ name, containerPort }) => [name, containerPort]));
  assert.deepEqual(ports, { clients: port, admin: admin.listen?.port });
  assert.deepEqual([host, admin.listen?.host], ['0.0.0.0', '0.0.0.0']);
  assert.deepEqual(gateway.container.args, ['--config', '/etc/holdfast/holdfast.json']);
  const mounts = Object.fromEntries(
    (gateway.container.volumeMounts ?? []).map(({ name, mountPath }) => [mountPath, name]),
  );
  assert.deepEqual(mounts, { '/etc/holdfast': 'config', '/run/secrets/holdfast': 'tokens' });
  assert.equal(gateway.pod.volumes?.find(({ name }) => name === 'config')?.configMap?.name, 'holdfast');
  for (const { kind, metadata, spec } of readManifests()) {
    if (kind !== 'Service') continue;
    const names = ['holdfast', 'chat', 'holdfast-redis'].flatMap((name) => {
      const { labels, container } = containerOf(name);
      const selected = Object.entries(spec?.selector ?? {}).every(([key, value]) => labels[key] === value);
      return selected ? container.ports.map((one) => one.name) : [];
    });
    for (const { targetPort } of spec?.ports ?? []) assert.ok(names.includes(String(targetPort)), metadata.name);
  }
});

test('clients reach the port of the clients only; a Service of this name sets no variable of ours', () => {
  assert.deepEqual(
    manifest('Service', 'holdfast').spec?.ports?.map(({ targetPort }) => targetPort),
    ['clients'],
  );
  assert.equal(gateway.pod.enableServiceLinks, false);
});

test('the pod has as long to end as it takes: preStop, and all that the command does after SIGTERM', (t) => {
  const neededMs = preStopMs(gateway.container) + endingTimeMs(resolveOptions(settingsOfThePod(t).options));
  assert.ok((gateway.pod.terminationGracePeriodSeconds ?? 0) * 1000 >= neededMs, `${neededMs} ms`);
  // While readiness is asked every 2 s, and what follows of it takes its time.
  assert.ok(preStopMs(gateway.container) >= 5000);
});

test('a backend is found by the name and port of its headless Service, and lives until its clients have moved', (t) => {
  const { discovery, drain } = resolveOptions(settingsOfThePod(t).options);
  const dns = discovery!.dns!;
  const service = manifest('Service', dns.name.split('.')[0]!);
  assert.equal(service.spec?.clusterIP, 'None');
  assert.match(dns.name, /^[a-z-]+\.default\.svc\.cluster\.local$/);
  assert.equal(dns.records, 'a');
  // Headless: DNS leads past the Service to the pods, so this is their port.
  assert.deepEqual(
    backend.container.ports.map(({ containerPort }) => containerPort),
    [dns.port],
  );
  const ttlMs = 5000;
  const neededMs = ttlMs + 2.2 * dns.intervalMs + dns.graceMs + drain.timeoutMs;
  assert.ok(preStopMs(backend.container) >= neededMs, `${neededMs} ms`);
  assert.ok((backend.pod.terminationGracePeriodSeconds ?? 0) * 1000 > preStopMs(backend.container));
  assert.ok((backend.spec.minReadySeconds ?? 0) * 1000 > ttlMs + 1.1 * dns.intervalMs);
});

test('memory: what the buffers may take is well below the limit of the container', (t) => {
  const { buffer } = resolveOptions(settingsOfThePod(t).options);
  const [, number, unit] = /^(\d+)([MG])i$/.exec(gateway.container.resources?.limits?.memory ?? '') ?? [];
  const limit = Number(number) * (unit === 'G' ? 1024 ** 3 : 1024 ** 2);
  assert.ok(buffer.maxTotalBytes <= 0.6 * limit, `${buffer.maxTotalBytes} of ${limit}`);
});

test('the autoscaler reads a metric that there is, and leaves room below limits.maxPipes', (t) => {
  const { names } = new GatewayMetrics({ version: '0.0.0' });
  const [pods] = manifest('HorizontalPodAutoscaler', 'holdfast').spec?.metrics?.flatMap((one) => one.pods ?? []) ?? [];
  assert.ok(names.includes(pods?.metric.name ?? ''), pods?.metric.name);
  const { limits } = resolveOptions(settingsOfThePod(t).options);
  assert.ok(Number(pods?.target.averageValue) <= 0.6 * limits.maxPipes);
});
