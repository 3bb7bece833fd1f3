/** README.md says what the code says: tables, scripts, links, and an example that runs. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { generateReadme } from '../../scripts/readme.ts';
import { cleanEnvironment } from '../support/clean-environment.ts';
import { until } from '../support/wait.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const readme = readFileSync(join(root, 'README.md'), 'utf8');

test('the tables and the example of README.md are those of the code: run "npm run readme"', async () => {
  const wanted = (await generateReadme(readme)).split('\n');
  const present = readme.split('\n');
  assert.deepEqual(
    {
      missing: wanted.filter((line) => !present.includes(line)),
      old: present.filter((line) => !wanted.includes(line)),
    },
    { missing: [], old: [] },
  );
  assert.equal(present.length, wanted.length);
});

test('every npm script and every file that README.md names exists', () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: object };
  const named = [...readme.matchAll(/npm (?:run )?(start|test|(?<=run )[\w:]+)/g)].map((found) => found[1] ?? '');
  assert.ok(named.length >= 4);
  assert.deepEqual(
    named.filter((name) => !(name in scripts)),
    [],
  );
  const links = [...readme.matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map((found) => found[1] ?? '');
  assert.ok(links.length >= 4);
  assert.deepEqual(
    links.filter((link) => !existsSync(join(root, link))),
    [],
  );
});

test('every option that the text of README.md names exists', () => {
  const text = readme.replace(/<!-- options -->[\s\S]*<!-- \/options -->/, '');
  const options = [...readme.matchAll(/^\| `([\w.]+)` \|/gm)].map((found) => found[1]);
  const sections = ['buffer', 'failover', 'pool', 'drain', 'closing', 'shutdown', 'limits', 'heartbeat'];
  const named = [...text.matchAll(new RegExp(`\`((?:${sections.join('|')})\\.\\w+)`, 'g'))].map((found) => found[1]);
  assert.ok(named.length >= 8);
  assert.deepEqual(
    named.filter((name) => !options.includes(name) && !options.some((one) => one?.startsWith(`${name}.`))),
    [],
  );
});

test('examples/plugin.ts starts and serves', async (t) => {
  const child = spawn(process.execPath, ['--import', 'tsx', join(root, 'examples/plugin.ts')], {
    env: { ...cleanEnvironment(), ADMIN_TOKEN: 'readme-test-token', PORT: '0' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.after(() => void child.kill('SIGKILL'));
  let out = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (out += text));
  const address = (): string | undefined => /listening at (http:\/\/127[^"]+)/.exec(out)?.[1];
  await until(() => address() !== undefined, { timeoutMs: 20_000, what: () => `the example to listen\n${out}` });
  const answer = await fetch(`${address()}/admin/backends`, { headers: { authorization: 'Bearer readme-test-token' } });
  assert.equal(answer.status, 200);
});
