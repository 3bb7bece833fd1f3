/** npm run demo, both ways. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { cleanEnvironment } from '../support/clean-environment.ts';
import { until, withTimeout } from '../support/wait.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

interface Demo {
  readonly child: ChildProcess;
  out: string;
  readonly ended: Promise<number | null>;
}

function demo(t: TestContext, ...args: string[]): Demo {
  const child = spawn(process.execPath, ['--import', 'tsx', 'examples/demo/demo.ts', ...args], {
    cwd: root,
    env: cleanEnvironment(),
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const started: Demo = {
    child,
    out: '',
    ended: new Promise((resolve) => {
      child.on('close', (code) => resolve(code));
    }),
  };
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      started.out += text;
    });
  }
  t.after(async () => {
    child.kill('SIGKILL');
    await started.ended;
  });
  return started;
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test('--once: the backend is killed and comes back, nothing is lost, nobody is closed', async (t) => {
  const run = demo(t, '--once');
  const code = await withTimeout(run.ended, 50_000, () => `the demo to end\n${run.out}`);
  assert.equal(code, 0, run.out);
  const last = run.out.trimEnd().split('\n').at(-1) ?? '';
  const counts = /^sent (\d+), answered (\d+), lost 0, client closed 0 times$/.exec(last);
  assert.ok(counts, run.out);
  assert.equal(counts[1], counts[2]);
  assert.ok(Number(counts[1]) > 60, last);
  for (const word of [/kill -9 \d+/, /INTERRUPTED/, /RESTORED/, /runs again/]) assert.match(run.out, word);
});

test('it says what to try, tells what happens, serves its own client, and leaves no process behind', async (t) => {
  // The default port of the gateway is taken, by us or by somebody else.
  const other = createServer();
  await new Promise<void>((resolve) => {
    other.once('error', () => resolve());
    other.listen(8080, '127.0.0.1', resolve);
  });
  t.after(() => void other.close());

  const run = demo(t);
  await until(() => run.out.includes('What happens:'), { timeoutMs: 40_000, what: () => `the page\n${run.out}` });
  assert.match(run.out, /Port 8080 is taken, so the gateway has port \d+\./);
  const pids = [...run.out.matchAll(/ pid (\d+)$/gm)].map((found) => Number(found[1]));
  assert.equal(pids.length, 3);
  assert.deepEqual(pids.map(alive), [true, true, true]);

  const url = /npm run demo -- --client (ws:\S+)/.exec(run.out)?.[1] ?? '';
  const client = demo(t, '--client', url);
  await until(() => client.out.includes('connected to'), { timeoutMs: 20_000, what: () => client.out });
  client.child.stdin?.write('hello\n');
  await until(() => /< [ab]: hello/.test(client.out), { what: () => client.out });
  const name = /< ([ab]): hello/.exec(client.out)?.[1];
  const victim = Number(new RegExp(`backend ${name} .* pid (\\d+)`).exec(run.out)?.[1]);
  process.kill(victim, 'SIGKILL');
  await until(() => run.out.includes('RESTORED'), { what: () => run.out });
  client.child.stdin?.write('still there\n');
  await until(() => /< [ab]: still there/.test(client.out), { what: () => client.out });

  const list = /(http:\S+)\/backends\n/.exec(run.out)?.[1];
  const answer = await fetch(`${list}/backends`, { headers: { authorization: 'Bearer demo-token' } });
  assert.equal(answer.status, 200);

  run.child.kill('SIGINT');
  assert.equal(await withTimeout(run.ended, 15_000, () => `the demo to end\n${run.out}`), 0);
  assert.deepEqual(pids.map(alive), [false, false, false]);
  assert.equal(await withTimeout(client.ended, 5000, () => `the client to end\n${client.out}`), 0);
  assert.match(client.out, /closed with 1012/);
});

test('its processes end with it even when it is killed', async (t) => {
  const run = demo(t);
  await until(() => run.out.includes('What happens:'), { timeoutMs: 40_000, what: () => `the page\n${run.out}` });
  const pids = [...run.out.matchAll(/ pid (\d+)$/gm)].map((found) => Number(found[1]));
  assert.equal(pids.length, 3);
  run.child.kill('SIGKILL');
  await until(() => !pids.some(alive), { what: () => `${pids.filter(alive).join(', ')} to end` });
});
