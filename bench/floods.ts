/** Rough first form. */
import { execFileSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { ManagedChild } from '../test/support/managed-child.ts';
import { sleep } from '../test/support/wait.ts';
import { cpuMsOf } from './support/cpu.mjs';
import { startGatewayProcess } from './support/gateway-process.ts';
import { pinTo } from './support/machine.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '4' },
    only: { type: 'string' },
    options: { type: 'string', default: '{}' },
  },
});
const seconds = Number(values.seconds);
const start = async (file: string) =>
  ManagedChild.start<{ port: number }>({
    module: new URL(`./support/${file}`, import.meta.url),
    argument: {},
    what: file,
  });
const good = await start('flood-good.mjs');
const bad = await start('flood-bad.mjs');
const gateway = await startGatewayProcess(
  null,
  { backends: [{ id: 'good', url: `ws://127.0.0.1:${good.ready.port}` }], ...JSON.parse(values.options) },
  { count: false },
);
pinTo(0, gateway.pid);
pinTo(1, good.child.pid);
pinTo(1, bad.child.pid);
execFileSync('chrt', ['-i', '-a', '-p', '0', String(bad.child.pid)]);
await good.child.request({ do: 'connect', port: gateway.port, path: '/ws', count: 20, intervalMs: 25 });
await gateway.admin('PATCH', '/backends/good', { adminState: 'disabled' });
await gateway.admin('POST', '/backends', { id: 'bad', url: `ws://127.0.0.1:${bad.ready.port}` });

const floods = [
  { name: 'none', kind: 'none', connections: 0 },
  { name: 'pings', kind: 'pour', frames: 'pings', connections: 1 },
  { name: 'pings', kind: 'pour', frames: 'pings', connections: 10 },
  { name: 'pongs', kind: 'pour', frames: 'pongs', connections: 10 },
  { name: 'json pings', kind: 'pour', frames: 'json-pings', connections: 10 },
  { name: 'empty', kind: 'pour', frames: 'empty', connections: 1 },
  { name: 'empty', kind: 'pour', frames: 'empty', connections: 10 },
  { name: 'small', kind: 'pour', frames: 'small', connections: 10 },
  { name: 'fragments', kind: 'pour', frames: 'fragments', connections: 10 },
  { name: 'large', kind: 'pour', frames: 'large', connections: 10 },
  { name: 'acks', kind: 'pour', frames: 'acks', connections: 10 },
  { name: 'connect+close', kind: 'knock', connections: 20 },
  { name: 'refused', kind: 'refused', connections: 20 },
  { name: 'idle tcp', kind: 'idle', connections: 500 },
  { name: 'deaf', kind: 'deaf', connections: 20 },
  { name: 'drip', kind: 'drip', connections: 200 },
  { name: 'none', kind: 'none', connections: 0 },
];
const q = (times: Float64Array, p: number) =>
  times.sort()[Math.min(times.length - 1, Math.floor(times.length * p))] ?? Number.NaN;
const measure = async () => {
  const before = gateway.cpuMs();
  const at = performance.now();
  const r = await good.child.request<{ times: Float64Array; closed: number }>(
    { do: 'measure', ms: seconds * 1000 },
    60_000,
  );
  const cpu = ((gateway.cpuMs() - before) / (performance.now() - at)) * 100;
  return { n: r.times.length, p50: q(r.times, 0.5), p99: q(r.times, 0.99), max: q(r.times, 1), closed: r.closed, cpu };
};
void cpuMsOf;
const f = (n: number) => n.toFixed(2).padStart(8);
for (const flood of floods) {
  if (values.only && !`${flood.name} ${flood.connections}`.includes(values.only)) continue;
  const base = await measure();
  await bad.child.request({ do: 'start', port: gateway.port, path: '/ws', flood });
  await sleep(500);
  const m = await measure();
  const counts = await bad.child.request<Record<string, number>>({ do: 'stop' });
  await sleep(800);
  console.log(
    `${`${flood.name} x${flood.connections}`.padEnd(18)} base p50 ${f(base.p50)} p99 ${f(base.p99)} | p50 ${f(m.p50)} p99 ${f(m.p99)} max ${f(m.max)} n ${m.n} closed ${m.closed} cpu ${m.cpu.toFixed(0)}% ${(counts.bytes! / 1e6 / (seconds + 0.5)).toFixed(1)} MB/s ${JSON.stringify(counts)}`,
  );
}
await Promise.all([gateway.kill(), good.child.kill(), bad.child.kill()]);
