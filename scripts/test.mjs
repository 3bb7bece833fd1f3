// Runs the test files under test/ (all, or those whose path contains one of the given words) with node's own runner.
// node --test on Node 20 finds no .ts and is content with zero files, so the files are listed here.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

const words = process.argv.slice(2).filter((word) => !word.startsWith('-'));
const flags = process.argv.slice(2).filter((word) => word.startsWith('-'));

function listTests(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.test.ts'))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}

const files = listTests('test').filter((file) => words.length === 0 || words.some((word) => file.includes(word)));
if (files.length === 0) {
  console.error(`No test file matches ${words.join(', ') || 'test/**/*.test.ts'}.`);
  process.exit(1);
}
console.log(`Running ${files.length} test files on Node ${process.version}`);
const args = ['--import', 'tsx', '--test', '--test-timeout=120000', '--test-concurrency=2', ...flags, ...files];
const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' });
process.exit(status ?? 1);
