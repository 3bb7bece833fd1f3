/** first */
import { parseArgs } from 'node:util';
import { type CellResult, cpuRatio, describeCell, measureRelays } from './groups/relay.ts';
import { direct, externalPeers, holdfast, nodePeers } from './peers/subject.ts';
import { buildGateway } from './support/build.ts';
import { commit, describeMachine, needProc } from './support/machine.ts';
import { median } from './support/statistics.ts';
import { figure, table } from './support/table.ts';

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: 'goals' },
    rounds: { type: 'string', default: '5' },
    peers: { type: 'string' },
    gateway: { type: 'string', multiple: true },
  },
});
needProc();
const machine = describeMachine();
console.log(machine, commit());
const gateways = (values.gateway ?? [undefined]).map((what, index) => {
  const build = buildGateway(what);
  return holdfast(build, build.name, {}, index === 0 ? 'Holdfast' : `Holdfast ${build.name}`);
});
const wanted = values.peers?.split(',');
const peers = [...nodePeers, ...externalPeers(), direct].filter(
  ({ name }) => wanted === undefined || wanted.includes(name),
);
const results = await measureRelays([...gateways, ...peers], {
  cells: [
    { connections: 50, inFlight: 4, bytes: 128 },
    { connections: 50, inFlight: 1, bytes: 128 },
    { connections: 20, inFlight: 4, bytes: 16_384 },
  ],
  rounds: Number(values.rounds),
  slices: 2,
  sliceMs: 500,
});
for (const result of results) print(result);

function print(result: CellResult): void {
  const names = Object.keys(result.samples);
  const rows = names.map((name) => {
    const samples = result.samples[name]!;
    const ratio = cpuRatio(result, 'Holdfast', name);
    const of = (key: keyof (typeof samples)[0]): string => figure(median(samples.map((sample) => sample[key])));
    const r =
      name === 'Holdfast' || name === 'direct'
        ? ''
        : `${figure(ratio.median)} (${figure(ratio.low)} to ${figure(ratio.high)})`;
    return [
      name,
      r,
      of('cpuUs'),
      of('loadCpuUs'),
      of('messagesPerSecond'),
      of('busy'),
      of('p50Ms'),
      of('p99Ms'),
      of('p999Ms'),
    ];
  });
  console.log(`\n${describeCell(result.cell)}\n`);
  console.log(
    table(['', 'Holdfast to it', 'CPU us/msg', 'load us/msg', 'msg/s', 'busy', 'p50 ms', 'p99', 'p99.9'], rows),
  );
}
process.exit(0);
