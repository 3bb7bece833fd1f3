/** The built module in Chromium: connect, cut, resume, frozen, exhausted, and the person who presses the button. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Page } from 'playwright-core';
import { type FakeGateway, type GatewaySettings, startFakeGateway } from '../support/fake-gateway.ts';
import { openPage, pageOf, screenshotPath, servePage, startBrowser } from './browser.ts';

const script = (url: string, options: object): string => `
  import { HoldfastSocket } from '/holdfast/client.js';
  import '/holdfast/status.js';
  const socket = new HoldfastSocket(${JSON.stringify(url)}, 'chat', ${JSON.stringify(options)});
  window.seen = { messages: [], events: [] };
  socket.onmessage = ({ data }) => window.seen.messages.push(data);
  for (const type of ['open', 'close', 'resumed', 'reset', 'heartbeat']) socket.addEventListener(type, () => window.seen.events.push(type));
  document.querySelector('holdfast-status').socket = socket;
  window.socket = socket;`;

async function open(
  t: TestContext,
  options: object = {},
  settings: Partial<GatewaySettings> = {},
): Promise<{ page: Page; gateway: FakeGateway; problems: string[]; says(text: RegExp): Promise<void> }> {
  const gateway = await startFakeGateway(t, { echoes: true, ...settings });
  const browser = await startBrowser(t);
  const url = await servePage(t, pageOf(script(gateway.url, options), '<holdfast-status></holdfast-status>'));
  const { page, problems } = await openPage(t, browser, url);
  page.setDefaultTimeout(10_000);
  const says = async (text: RegExp): Promise<void> => {
    await page.locator('holdfast-status [part=text]').filter({ hasText: text }).waitFor();
  };
  await says(/^Connected$/);
  return { page, gateway, problems, says };
}

/** What the page's script leaves on its window. */
interface PageGlobals {
  readonly socket: { send(data: unknown): boolean };
  readonly seen: { readonly messages: unknown[]; readonly events: string[] };
}
declare global {
  interface Window extends PageGlobals {}
}

const send = (page: Page, text: string): Promise<unknown> => page.evaluate((data) => window.socket.send(data), text);
const received = async (page: Page, count: number): Promise<string[]> => {
  await page.waitForFunction((wanted) => window.seen.messages.length >= wanted, count);
  return page.evaluate(() => window.seen.messages as string[]);
};
const events = (page: Page): Promise<string[]> => page.evaluate(() => window.seen.events);

test('a cut connection is resumed, and what was sent meanwhile arrives once', async (t) => {
  const { page, gateway, problems, says } = await open(t);
  assert.deepEqual(gateway.upgrades[0]?.offered, ['chat', 'holdfast.v1']);
  await send(page, 'before');
  assert.deepEqual(await received(page, 1), ['before']);
  gateway.cut();
  await says(/^Connection lost/);
  await send(page, 'meanwhile');
  assert.deepEqual(await received(page, 2), ['before', 'meanwhile']);
  await says(/^Connected$/);
  assert.deepEqual(await events(page), ['open', 'resumed']);
  assert.deepEqual(gateway.model.violations, []);
  assert.deepEqual(problems, []);
});

test('the last attempt fails, the element says so, and its button connects again, by keyboard', async (t) => {
  const { page, gateway, says } = await open(t, { maxAttempts: 2, minBackoffMs: 100, minUptimeMs: 0 });
  await gateway.close();
  await says(/^Could not connect after 2 attempts/);
  await page.screenshot({ path: screenshotPath('real-failed') });
  await send(page, 'refused: it has failed');
  const second = await startFakeGateway(t, { echoes: true }, gateway.port);
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await says(/^Connected$/);
  assert.equal(second.model.sessions.size, 1);
  assert.deepEqual(await events(page), ['open', 'close', 'reset', 'open']);
  assert.equal(await page.locator('holdfast-status [part=button]').isVisible(), false);
});

test('a frozen page comes back: it asks first, and keeps its connection', async (t) => {
  const { page, gateway, says } = await open(t, {}, { heartbeat: { intervalMs: 200, timeoutMs: 500 } });
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('Page.setWebLifecycleState', { state: 'frozen' });
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  await cdp.send('Page.setWebLifecycleState', { state: 'active' });
  await says(/^Connected$/);
  const before = (await events(page)).length;
  await page.waitForFunction((count) => window.seen.events.length >= count, before + 2);
  assert.deepEqual(new Set((await events(page)).slice(1)), new Set(['heartbeat']));
  assert.equal(gateway.upgrades.length, 1);
});

test('binary in a browser: blobs and buffers, both ways', async (t) => {
  const { page } = await open(t);
  const answer = await page.evaluate(async () => {
    const { socket, seen } = window;
    const { messages } = seen;
    socket.send(new Blob(['blob']));
    socket.send(new Uint8Array([65, 66]));
    while (messages.length < 2) await new Promise((resolve) => setTimeout(resolve, 10));
    return Promise.all(messages.map((data) => (data as Blob).text()));
  });
  assert.deepEqual(answer, ['blob', 'AB']);
});
