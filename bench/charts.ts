/**
 * Makes the charts in docs/charts and the tables in README.md and docs/PERFORMANCE.md from bench/results/published.json.
 *
 *     npm run bench:charts -- [--check]        --check = change nothing, end with 1 if anything differs
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { chartFolder, filesOf } from './report/documents.ts';
import { publishedFile, readResult } from './support/result-file.ts';

const root = new URL('../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8');
const check = process.argv.includes('--check');

mkdirSync(new URL(`${chartFolder}/`, root), { recursive: true });
for (const [path, content] of Object.entries(filesOf(readResult(publishedFile), read))) {
  let now = '';
  try {
    now = read(path);
  } catch {
    // A new chart.
  }
  if (now === content) continue;
  if (check) {
    console.error(`${path} differs from what bench/results/published.json gives: npm run bench:charts`);
    process.exitCode = 1;
  } else {
    writeFileSync(new URL(path, root), content);
    console.log(`wrote ${path}`);
  }
}
