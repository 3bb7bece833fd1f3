import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startBackend } from '../support/backend-process.ts';
import { adminToken, startGateway } from '../support/gateway.ts';
import { rules } from './rules.ts';
import { type Rig, tryRule } from './trial.ts';

test('our gateway keeps every rule of docs/PROTOCOL.md', async (t) => {
  const backend = await startBackend(t, { orders: false });
  const gateway = await startGateway(t, {
    backends: [backend.url],
    resume: { startTimeoutMs: 1500, windowMs: 4000 },
    shutdown: { spreadMs: 500 },
  });
  const rig: Rig = {
    url: gateway.url,
    admin: async (method, path, body) => (await gateway.admin(method, path, body)).status,
    stop: () => void gateway.close(),
  };
  for (const rule of rules) {
    await t.test(`${rule.of}: ${rule.says}`, async () => {
      const { outcome, detail } = await tryRule(rule, rig);
      assert.equal(outcome, 'pass', detail);
    });
  }
});

test('the command prints each rule, and its exit code says whether all hold', async (t) => {
  const run = async (args: string[]): Promise<{ code: number | null; out: string }> => {
    const script = fileURLToPath(new URL('run.ts', import.meta.url));
    const child = spawn(process.execPath, ['--import', 'tsx', script, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => (out += text.toString()));
    const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
    return { code, out };
  };
  const backend = await startBackend(t, { orders: false });
  const gateway = await startGateway(t, { backends: [backend.url] });
  const good = await run([gateway.url, '--admin', gateway.httpUrl, '--token', adminToken, '--only', 'Negotiation']);
  assert.equal(good.code, 0, good.out);
  assert.match(good.out, /^pass {6}Negotiation: holdfast\.v1 is chosen/m);
  // A server that is no gateway.
  const bad = await run([backend.url, '--only', 'hello is the first']);
  assert.equal(bad.code, 1, bad.out);
  assert.match(bad.out, /^fail/m);
  assert.equal((await run([])).code, 2);
});
