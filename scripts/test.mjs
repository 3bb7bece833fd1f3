// Runs the test files under test/ (all, or those whose path contains one of the given words) with node's own runner.
//   npm test                     npm run test:apart            npm test -- journal pool                npm test -- --test-name-pattern=drain pipe
// node --test on Node 20 finds no .ts and is content with zero files, so the files are listed here, and it is checked that each of them
// has run at least one test.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';

const fileTimeoutMs = 300_000;
const wholeTimeoutMs = 20 * 60_000;

/** They load the machine for long, or start servers and many processes: run apart, one after the other, so that they disturb no test that measures time. */
const apart = [
  'test/chaos/',
  'test/conformance/',
  'test/soak/',
  'test/fuzz/',
  'balancer-',
  'blocks-poisoned',
  'buffer-config-heap',
  'cluster-redis',
  'cluster-resume-ended',
  'heartbeat-stalled-gateway',
  'host-idle-memory',
  'store-redis',
  'integration/workers-',
];

const onlyApart = process.argv.includes('--apart');
const words = process.argv.slice(2).filter((word) => !word.startsWith('-'));
const flags = process.argv.slice(2).filter((word) => word.startsWith('-') && word !== '--apart');

function listTests(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.test.ts'))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}

const isApart = (file) => apart.some((part) => file.includes(part));
const files = listTests('test').filter((file) =>
  words.length === 0 ? isApart(file) === onlyApart : words.some((word) => file.includes(word)),
);
if (files.length === 0) {
  console.error(`No test file matches ${words.join(', ') || 'test/**/*.test.ts'}.`);
  process.exit(1);
}
console.log(`Running ${files.length} test files on Node ${process.version}`);

/** typebox is 700 files, which tsx looks at one by one: half a second of every process. @returns a tsconfig by which tsx finds them in a bundle. */
async function bundleTypebox(folder) {
  const bundled = ['typebox', 'typebox/value', 'typebox/compile'];
  const outdir = join(folder, 'bundles');
  await build({
    entryPoints: Object.fromEntries(bundled.map((name) => [name, name])),
    outdir,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    outExtension: { '.js': '.mjs' },
  });
  const paths = Object.fromEntries(bundled.map((name) => [name, [join(outdir, `${name}.mjs`)]]));
  const file = join(folder, 'tsconfig.json');
  writeFileSync(file, JSON.stringify({ extends: resolve('tsconfig.json'), compilerOptions: { paths } }));
  return file;
}

const folder = mkdtempSync(join(tmpdir(), 'holdfast-tests-'));
const recordFile = join(folder, 'record');
const args = [
  '--import',
  'tsx',
  '--test',
  `--test-timeout=${fileTimeoutMs}`,
  `--test-concurrency=${onlyApart ? 1 : 2}`,
  '--test-reporter=spec',
  '--test-reporter-destination=stdout',
  `--test-reporter=${new URL('./record-reporter.mjs', import.meta.url).href}`,
  `--test-reporter-destination=${recordFile}`,
  ...flags,
  ...files,
];
const { status, signal, error } = spawnSync(process.execPath, args, {
  stdio: 'inherit',
  timeout: wholeTimeoutMs,
  env: { ...process.env, TSX_TSCONFIG_PATH: await bundleTypebox(folder) },
});
const problems = [];
if (error?.code === 'ETIMEDOUT') problems.push(`The tests were not done after ${wholeTimeoutMs / 60_000} minutes.`);
else if (error) problems.push(error.message);
if (signal) problems.push(`The runner was ended by ${signal}.`);
const lines = existsSync(recordFile) ? readFileSync(recordFile, 'utf8').split('\n') : [];
const ran = new Set(lines);
const filtered = flags.some((flag) => flag.startsWith('--test-name-pattern') || flag === '--test-only');
const silent = files.filter((file) => !ran.has(join(process.cwd(), file)));
if (silent.length > 0 && !filtered) {
  problems.push(`${silent.length} of ${files.length} test files ran no test: ${silent.join(', ')}`);
}
const closing = lines.filter((line) => line.startsWith('# '));
if (!closing.some((line) => /^# tests [1-9]/.test(line))) problems.push('The runner has not reported any test.');
rmSync(folder, { recursive: true, force: true });

for (const problem of problems) console.error(`\n${problem}`);
console.log(`\n${files.length - silent.length} of ${files.length} test files ran\n${closing.join('\n')}`);
process.exit(problems.length > 0 ? 1 : (status ?? 1));
