// Builds the browser's modules into dist/client: each one file without imports, and the types beside them.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const modules = { index: 'src/client/index.ts', status: 'src/client/status/index.ts' };

/** The code of each module, minified: `{ index, status }`. Writes into `outdir` if that is given. */
export async function bundleClient(outdir) {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: modules,
    outdir: outdir ?? 'dist/client',
    write: false,
    bundle: true,
    minify: true,
    // Shorter: it becomes 1/0.
    define: { 'Number.POSITIVE_INFINITY': 'Infinity' },
    format: 'esm',
    target: 'es2022',
    platform: 'browser',
    charset: 'utf8',
    legalComments: 'none',
  });
  if (outdir) {
    const { mkdirSync, renameSync, writeFileSync } = await import('node:fs');
    mkdirSync(join(root, outdir), { recursive: true });
    for (const { path, contents } of outputFiles) {
      // A gateway that starts meanwhile reads the old one or the new one.
      const whole = `${path}.${process.pid}`;
      writeFileSync(whole, contents);
      renameSync(whole, path);
    }
  }
  return Object.fromEntries(outputFiles.map(({ path, text }) => [path.replace(/^.*\/|\.js$/g, ''), text]));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await bundleClient('dist/client');
  const { status } = spawnSync(
    'tsc',
    ['-p', 'tsconfig.client.json', '--noEmit', 'false', '--declaration', '--emitDeclarationOnly'],
    {
      cwd: root,
      stdio: 'inherit',
      shell: process.platform === 'win32',
    },
  );
  process.exit(status ?? 1);
}
