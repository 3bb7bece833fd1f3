/** The browser modules that the gateway serves, built if they are missing or older than their source. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './processes.ts';

export async function buildClientModules(): Promise<void> {
  const sources = readdirSync(join(root, 'src/client'), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => changedAt(join(entry.parentPath, entry.name)));
  const built = ['index.js', 'status.js'].map((name) => changedAt(join(root, 'dist/client', name)));
  if (Math.min(...built) > Math.max(...sources)) return;
  const { bundleClient } = (await import(new URL('../../scripts/build-client.mjs', import.meta.url).href)) as {
    bundleClient(folder: string): Promise<unknown>;
  };
  await bundleClient('dist/client');
}

/** 0 = it is not there. */
function changedAt(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
