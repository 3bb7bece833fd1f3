/** What every page has to load. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';

const { bundleClient } = (await import(new URL('../../scripts/build-client.mjs', import.meta.url).href)) as {
  bundleClient(outdir?: string): Promise<Record<'index' | 'status', string>>;
};

test('the module is at most 5 KiB minified and gzipped, imports nothing and knows nothing of Node', async (t) => {
  const { index, status } = await bundleClient();
  const bytes = gzipSync(index, { level: 9 }).length;
  t.diagnostic(`${bytes} bytes; the status element ${gzipSync(status, { level: 9 }).length}`);
  assert.ok(bytes <= 5 * 1024, `${bytes} bytes`);
  for (const code of [index, status]) {
    assert.doesNotMatch(code, /\bimport\b/);
    assert.doesNotMatch(code, /\b(process|Buffer|require)\b/);
  }
});
