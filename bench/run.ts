/**
 * What the gateway costs, beside a direct connection and other relays, measured in turns in one run.
 *
 *     npm run bench -- [--quick] [--only goals,relay,...] [--rounds n] [--peers nginx,...] [--gateway here]... [--priority] [--json file] [--publish]
 *
 *   --only      goals, relay, journal, setup, memory, heartbeat, failover, growth; default all of them
 *   --peers     the names of those to measure besides the gateway; default all that are there, '' = none
 *   --gateway   a folder (a checkout, or a build) or a git revision; given more than once they are measured against each other
 *   --priority  go before whatever else the machine does; root may
 *   --json      where the result goes; default bench/results/latest.json
 *   --publish   the result becomes the one that README and docs/PERFORMANCE.md show: npm run bench:charts makes them from it
 *
 * Needs Linux and no root. With two cores or more, and taskset, what is measured has core 0 and the load core 1.
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { measureFailover } from './groups/failover.ts';
import { measureGrowth } from './groups/growth.ts';
import { measureHeartbeat } from './groups/heartbeat.ts';
import { measureMemory } from './groups/memory.ts';
import { fullPlans, type Plans, quickPlans } from './groups/plans.ts';
import { type CellResult, describeCell, measureRelays, type RelayPlan } from './groups/relay.ts';
import { measureSetup } from './groups/setup.ts';
import { type Contender, direct, externalPeers, holdfast, nodePeers } from './peers/subject.ts';
import { atLeastOnce, atMostOnce, subject, tablesOf } from './report/tables.ts';
import { type Build, buildGateway } from './support/build.ts';
import { affordablePipes, canPin, describeMachine, needProc, ownVersion, takePriority } from './support/machine.ts';
import { type BenchResult, type GroupName, groupNames, publishedFile } from './support/result-file.ts';

type Group<N extends GroupName> = NonNullable<BenchResult[N]>;

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    rounds: { type: 'string' },
    peers: { type: 'string' },
    gateway: { type: 'string', multiple: true },
    priority: { type: 'boolean', default: false },
    json: { type: 'string' },
    publish: { type: 'boolean', default: false },
  },
});

needProc();
const wanted = chooseGroups(values.only);
const plans = values.quick ? quickPlans : fullPlans;
const builds = (values.gateway ?? [undefined]).map((what) => buildGateway(what));
const [build] = builds as [Build];
const version = ownVersion();
const gateways = builds.map((one, index) => holdfast(one, version, {}, index === 0 ? subject : `Holdfast ${one.name}`));
const peers = choosePeers(values.peers);
const relays = [...gateways, ...peers.filter(({ name }) => name !== 'direct')];
const pinned = canPin();
if (values.priority && !takePriority()) throw new Error('--priority: this user may not.');
const began = performance.now();
const machine = describeMachine();

console.log(`${machine.cores} x ${machine.cpu}, Node ${machine.node}, Linux ${machine.kernel}, commit ${build.commit}`);
console.log(
  pinned
    ? 'Relays on core 0, load and backend on core 1.'
    : 'One core, or no taskset: relays, load and backend share what there is. Times and rates are of little use, CPU per message still is.',
);
if (machine.loadAverage > 0.5)
  console.log(`The machine is not idle (load average ${machine.loadAverage}): trust ratios, not times.`);

const measured: { [N in GroupName]?: Group<N> } = {};
const measure: { readonly [N in GroupName]: () => Promise<Group<N>> } = {
  goals: () => relay(plans.goals, [...gateways, ...peers]),
  relay: () => relay(plans.relay, [...gateways, ...peers]),
  journal: () =>
    relay(plans.journal, [
      holdfast(build, version, { delivery: atLeastOnce }, atLeastOnce),
      holdfast(build, version, { delivery: atMostOnce }, atMostOnce),
    ]),
  setup: () => measureSetup([...gateways, ...peers], { ...plans.setup, rounds: roundsOf(plans.setup.rounds) }),
  memory: () => measureMemory(relays, withinLimit(plans.memory), progress),
  heartbeat: () => {
    const pipes = affordablePipes(plans.heartbeat.pipes);
    return measureHeartbeat(gateways[0]!, { ...plans.heartbeat, pipes });
  },
  failover: () => {
    // One descriptor more than two while a pipe moves.
    const { pipes, restartPipes } = plans.failover;
    const affordable = { pipes: affordablePipes(pipes, 3), restartPipes: affordablePipes(restartPipes, 3) };
    return measureFailover({ build, ...affordable }, progress);
  },
  growth: () => measureGrowth({ build, ...plans.growth, pipes: withinLimit(plans.growth.pipes) }),
};

for (const name of wanted) await run(name);
const result = resultOf(plans);
const file = values.publish ? fileURLToPath(publishedFile) : (values.json ?? latestFile());
writeFileSync(file, `${JSON.stringify(result, null, 1)}\n`);
console.log(`\n${result.seconds} s in all; written to ${file}`);
process.exit(0);

async function run<N extends GroupName>(name: N): Promise<void> {
  console.log(`\n${name}`);
  const measurement = await measure[name]();
  progress('');
  (measured as Record<N, Group<N>>)[name] = measurement;
  for (const text of tablesOf(resultOf(plans), name)) console.log(`\n${text}`);
}

function relay(plan: RelayPlan, contenders: readonly Contender[]): Promise<CellResult[]> {
  const rounds = roundsOf(plan.rounds);
  // The load has both ends of what all contenders relay.
  const each = 2 * contenders.length;
  const cells = plan.cells.map((cell) => ({ ...cell, connections: affordablePipes(cell.connections, each) }));
  return measureRelays(contenders, { ...plan, cells, rounds }, (cell, round) =>
    progress(`round ${round + 1} of ${rounds}: ${describeCell(cell)}`),
  );
}

/** On a terminal, in place. */
function progress(text: string): void {
  if (process.stdout.isTTY) process.stdout.write(`\r\x1b[K${text}`);
}

function resultOf(of: Plans): BenchResult {
  return {
    at: new Date().toISOString(),
    commit: build.commit,
    machine,
    pinned,
    priority: values.priority,
    quick: of === quickPlans,
    seconds: Math.round((performance.now() - began) / 1000),
    versions: Object.fromEntries([...gateways, ...peers].map((one) => [one.name, one.version])),
    ...measured,
  };
}

function roundsOf(planned: number): number {
  if (values.rounds === undefined) return planned;
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new Error(`--rounds must be a positive integer, not ${values.rounds}`);
  return rounds;
}

function chooseGroups(only: string | undefined): readonly GroupName[] {
  if (only === undefined) return groupNames;
  const names = only.split(',');
  for (const name of names)
    if (!(groupNames as readonly string[]).includes(name))
      throw new Error(`--only knows ${groupNames.join(', ')}, not ${name}`);
  return names as GroupName[];
}

function choosePeers(names: string | undefined): readonly Contender[] {
  const all = [...nodePeers, ...externalPeers(), direct];
  if (names === undefined) return all;
  const chosen = names.split(',').filter((name) => name !== '');
  for (const name of chosen)
    if (!all.some((peer) => peer.name === name))
      throw new Error(`--peers knows ${all.map((peer) => peer.name).join(', ')}, not ${name}`);
  return all.filter(({ name }) => chosen.includes(name));
}

/** Those sizes that the limit of descriptors allows, and the limit in place of the first that it does not. */
function withinLimit(sizes: readonly number[]): number[] {
  return [...new Set(sizes.map((size) => affordablePipes(size)))];
}

function latestFile(): string {
  return fileURLToPath(new URL('./results/latest.json', import.meta.url));
}
