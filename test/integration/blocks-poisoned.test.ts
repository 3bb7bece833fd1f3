/**
 * The rules of src/wire/byte-blocks.ts, over tests of other things: here memory that everybody has let go is spoilt at once, so that whoever looks at it
 * later hands on what nobody sent.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import test from 'node:test';

const files = [
  'unit/journal-property.test.ts',
  'unit/pipe-property.test.ts',
  'protocol/conformance.test.ts',
  'integration/delivery-big-messages.test.ts',
  'integration/delivery-large-content.test.ts',
  'integration/failover-crash.test.ts',
  'integration/resume-cuts.test.ts',
  'integration/tls-both-sides.test.ts',
];

for (const file of files) {
  test(`nobody looks at memory that was let go: ${file}`, { timeout: 120_000 }, async () => {
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const poison = new URL('../support/poison-blocks.mjs', import.meta.url).href;
    const args = ['--import', 'tsx', '--import', poison, new URL(`../${file}`, import.meta.url).pathname];
    const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    const [code, out, errors] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
    assert.equal(code, 0, `${out}\n${errors}`.split('\n').slice(-60).join('\n'));
    assert.match(errors, /^blocks spoilt: [1-9]\d*$/m, 'the poison was there');
  });
}
