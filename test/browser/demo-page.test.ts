/** The page of `npm run demo`: somebody chats, and presses the buttons. Everything behind it is real. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { BrowserContextOptions, Locator, Page } from 'playwright-core';
import { cleanEnvironment } from '../support/clean-environment.ts';
import { until, withTimeout } from '../support/wait.ts';
import { openPage, screenshotPath, startBrowser } from './browser.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

async function startDemo(t: TestContext): Promise<{ url: string; child: ChildProcess; ended: Promise<number | null> }> {
  const child = spawn(process.execPath, ['--import', 'tsx', 'examples/demo/demo.ts', '--any-port'], {
    cwd: root,
    env: cleanEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  let out = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      out += text;
    });
  }
  let over = false;
  void ended.then(() => {
    over = true;
  });
  await until(() => over || out.includes('What happens:'), { timeoutMs: 40_000, what: () => `the demo\n${out}` });
  assert.ok(!over, `the demo ended:\n${out}`);
  return { url: /Open (http:\S+)/.exec(out)?.[1] ?? '', child, ended };
}

class DemoPage {
  readonly page: Page;
  constructor(page: Page) {
    this.page = page;
  }

  async says(status: RegExp): Promise<void> {
    await this.page.locator('holdfast-status [part=text]').filter({ hasText: status }).waitFor();
  }

  /** Sends a message and waits for its answer. @returns the backend that gave it. */
  async chat(text: string): Promise<string> {
    await this.page.getByLabel('Message', { exact: true }).fill(text);
    await this.page.keyboard.press('Enter');
    const answer = this.page.locator('.bubble.theirs').filter({ hasText: text });
    await answer.waitFor();
    return (await answer.getAttribute('data-backend')) ?? '';
  }

  async press(process: string, button: string): Promise<void> {
    await this.page.locator(`[data-process=${process}]`).getByRole('button', { name: button, exact: true }).click();
  }

  async is(process: string, state: string): Promise<void> {
    await this.page.locator(`[data-process=${process}][data-is=${state}]`).waitFor();
  }

  line(text: RegExp): Locator {
    return this.page.locator('#lines li').filter({ hasText: text }).first();
  }

  async account(): Promise<Record<string, number>> {
    return this.page.evaluate(() =>
      Object.fromEntries(
        [...document.querySelectorAll('#account b')].map(({ id, textContent }) => [id, Number(textContent)]),
      ),
    );
  }

  async shot(name: string): Promise<void> {
    await this.page.screenshot({ path: screenshotPath(`demo-${name}`), fullPage: true });
  }
}

async function open(
  t: TestContext,
  url: string,
  options: BrowserContextOptions = {},
): Promise<{ demo: DemoPage; problems: string[] }> {
  const browser = await startBrowser(t);
  const { page, problems } = await openPage(t, browser, url, { viewport: { width: 1280, height: 900 }, ...options });
  page.setDefaultTimeout(20_000);
  const demo = new DemoPage(page);
  await demo.says(/^Connected$/);
  return { demo, problems };
}

test('somebody chats, kills the backend that answers, and the answers go on', async (t) => {
  const { url, child, ended } = await startDemo(t);
  const { demo, problems } = await open(t, url);
  const { page } = demo;
  const first = await demo.chat('hello');
  assert.match(first, /^[ab]$/);
  await page.getByRole('button', { name: 'Send 5 a second' }).click();
  await demo.line(/^\S+ *page *open/).waitFor();
  await until(async () => ((await demo.account())['answered'] ?? 0) > 5, { what: 'answers of the stream' });
  await demo.shot('chat-light');

  await demo.press(first, 'Kill');
  await demo.is(first, 'dead');
  const second = await demo.chat('still there?');
  assert.notEqual(second, first);
  await demo.line(/restored: the gap was [\d.]+ ms; \d+ messages replayed/).waitFor();
  await demo.says(/^Connected$/);
  await demo.shot('killed-light');

  await demo.press(second, 'Kill');
  await demo.is(second, 'dead');
  await demo.says(/^Connected\. Waiting for the server, your messages are kept/);
  await page.getByLabel('Message', { exact: true }).fill('nobody is there');
  await page.keyboard.press('Enter');
  await demo.shot('no-backend');
  await demo.press(first, 'Start');
  await demo.is(first, 'running');
  await page.locator('.bubble.theirs').filter({ hasText: 'nobody is there' }).waitFor();

  await page.getByRole('button', { name: 'Reset connection' }).click();
  await demo.line(/resumed: the same session/).waitFor();
  await page.getByRole('button', { name: 'Send 5 a second' }).click();
  await until(async () => (await demo.account())['waiting'] === 0, { what: 'the last answers' });
  const { sent, answered, lost } = await demo.account();
  assert.deepEqual({ answered, lost }, { answered: sent, lost: 0 });
  assert.deepEqual(problems, []);

  child.kill('SIGINT');
  assert.equal(await withTimeout(ended, 20_000, 'the demo to end'), 0);
  await page.getByText('The demo has ended').waitFor();
});

test('freeze, a cut network, another heartbeat, another gateway: each is seen, and got over', async (t) => {
  const { url } = await startDemo(t);
  const { demo, problems } = await open(t, url, { colorScheme: 'dark' });
  const { page } = demo;
  await page.getByLabel('Heartbeat every').selectOption('500');
  await demo.line(/heartbeat was changed: revision \d+, 1 pipes retuned/).waitFor();
  await page
    .locator('#rtt')
    .filter({ hasText: /every 0\.5 s, dead after 1\.5 s/ })
    .waitFor();

  const first = await demo.chat('before the frost');
  await demo.press(first, 'Freeze');
  await demo.is(first, 'frozen');
  assert.notEqual(await demo.chat('in the frost'), first);
  await demo.shot('frozen-dark');
  await demo.press(first, 'Thaw');
  await demo.is(first, 'running');

  await page.getByRole('button', { name: 'Cut network' }).click();
  await demo.line(/reconnecting \(silent\)/).waitFor();
  await page.getByLabel('Message', { exact: true }).fill('said in the dark');
  await page.keyboard.press('Enter');
  await demo.shot('cut-dark');
  await page.getByRole('button', { name: 'Mend network' }).click();
  await demo.line(/resumed: the same session; \d+ messages sent again/).waitFor();
  await page.locator('.bubble.theirs').filter({ hasText: 'said in the dark' }).waitFor();

  await demo.press('gateway', 'Restart');
  await demo.line(/the gateway runs again/).waitFor();
  await demo.line(/reset: a new session/).waitFor();
  await demo.chat('a new gateway');
  await demo.shot('gateway-restarted-dark');

  await demo.press('gateway', 'Kill');
  await demo.is('gateway', 'dead');
  await demo.says(/^Connection lost/);
  await page.setViewportSize({ width: 390, height: 844 });
  await demo.shot('gateway-dead-narrow-dark');
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(width <= 390, `${width} px wide on a narrow page`);
  await demo.press('gateway', 'Start');
  await demo.is('gateway', 'running');
  await demo.chat('and another');
  assert.deepEqual(problems, []);

  await t.test('only this page may press the buttons', async () => {
    const order = JSON.stringify({ action: 'kill', target: 'a' });
    const { origin } = new URL(url);
    const json = { 'content-type': 'application/json' };
    const press = async (headers: Record<string, string>, body = order): Promise<number> =>
      (await fetch(`${origin}/demo/control`, { method: 'POST', headers, body })).status;
    assert.equal(await press(json), 403, 'without an Origin');
    assert.equal(await press({ ...json, origin: 'http://127.0.0.1:1' }), 403, 'of another origin');
    assert.equal(await press({ origin }), 415, 'as a form would send it');
    assert.equal(await press({ ...json, origin }, '{'), 400);
    assert.equal(await press({ ...json, origin }, '{"action":"explode","target":"a"}'), 400);
    assert.equal(await press({ ...json, origin }, '{"action":"kill","target":"z"}'), 404);
    await demo.is('a', 'running');
  });
});
