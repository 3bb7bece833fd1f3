/** What npm would publish, installed as a user does: it must run without anything of this repository. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { cleanEnvironment } from '../support/clean-environment.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const env = cleanEnvironment();

interface Manifest {
  readonly version: string;
  readonly dependencies: Record<string, string>;
  readonly exports: Record<string, unknown>;
}
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;

async function run(cwd: string, command: string, ...args: string[]): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(command, args, { cwd, env, timeout: 100_000, maxBuffer: 1 << 24 });
    return stdout;
  } catch (error) {
    const { stdout = '', stderr = '', message } = error as { stdout?: string; stderr?: string; message: string };
    throw new Error(`${command} ${args.join(' ')}: ${message}\n${stdout}\n${stderr}`);
  }
}

/** A copy to build in, so that other test files and people may use dist/ meanwhile. */
function copyOfRepository(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-pack-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const names = readdirSync(root).filter((name) => !['node_modules', 'dist', '.git', 'coverage'].includes(name));
  for (const name of names) cpSync(join(root, name), join(folder, name), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}

test('exports give types first', () => {
  const [first] = Object.keys(manifest.exports['.'] as object);
  assert.equal(first, 'types');
});

test('the packed package installs in an empty folder, is imported, type-checks and runs as holdfast', async (t) => {
  const copy = copyOfRepository(t);
  const [packed] = JSON.parse((await run(copy, 'npm', 'pack', '--json', '--loglevel=error')).replace(/^[^[]*/, '')) as [
    { filename: string; files: { path: string }[] },
  ];
  const paths = packed.files.map(({ path }) => path);
  for (const path of ['dist/src/index.js', 'dist/src/index.d.ts', 'dist/src/server.js', 'README.md', 'LICENSE']) {
    assert.ok(paths.includes(path), `${path} is not in the package: ${paths.join(', ')}`);
  }
  assert.deepEqual(
    paths.filter((path) => /^(src|test|plugins|routes|examples|bench|scripts)\//.test(path)),
    [],
  );

  const home = mkdtempSync(join(tmpdir(), 'holdfast-install-'));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  writeFileSync(join(home, 'package.json'), '{"name":"home","private":true,"type":"module"}');
  const flags = ['--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'];
  await run(home, 'npm', 'install', ...flags, join(copy, packed.filename));

  assert.equal(await run(home, join(home, 'node_modules/.bin/holdfast'), '--version'), `${manifest.version}\n`);
  writeFileSync(
    join(home, 'app.mjs'),
    `import Fastify from 'fastify';
     import holdfast from 'fastify-holdfast';
     const app = Fastify();
     await app.register(holdfast, { admin: { auth: { tokens: ['packaging-token'] } }, backends: ['ws://127.0.0.1:1'] });
     const answer = await app.inject({ url: '/backends', headers: { authorization: 'Bearer packaging-token' } });
     const docs = await app.inject('/docs/json');
     console.log(JSON.stringify({ status: answer.statusCode, openapi: docs.json().openapi, page: (await app.inject('/docs')).statusCode }));
     await app.close();`,
  );
  const seen = JSON.parse(await run(home, process.execPath, 'app.mjs')) as {
    status: number;
    openapi: string;
    page: number;
  };
  assert.deepEqual(seen, { status: 200, openapi: '3.1.0', page: seen.page });
  assert.ok(seen.page < 400);

  // A user's TypeScript: strict, library files checked, with the types that came with the install and @types/node alone.
  mkdirSync(join(home, 'node_modules/@types'), { recursive: true });
  for (const name of ['node', 'undici-types']) {
    const target = name === 'node' ? '@types/node' : name;
    const at = join(home, 'node_modules', target);
    if (!existsSync(at)) symlinkSync(join(root, 'node_modules', target), at);
  }
  writeFileSync(
    join(home, 'app.ts'),
    `import Fastify from 'fastify';
     import holdfast, { type HoldfastOptions } from 'fastify-holdfast';
     const options: HoldfastOptions = { path: '/ws', admin: { auth: { tokens: ['packaging-token'] } } };
     const app = Fastify();
     await app.register(holdfast, options);
     app.pipeManager.events.on('pipe.restored', ({ gapMs }) => console.log(gapMs.toFixed(0)));
     // @ts-expect-error: there is no such option
     await app.register(holdfast, { pth: '/ws' });`,
  );
  const tsc = [
    '--noEmit',
    '--strict',
    '--skipLibCheck',
    '--module',
    'nodenext',
    '--target',
    'es2023',
    '--types',
    'node',
  ];
  await run(home, join(root, 'node_modules/.bin/tsc'), ...tsc, 'app.ts');
});
