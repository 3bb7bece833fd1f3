/** examples/plain-js works as it is. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { startFakeGateway } from '../support/fake-gateway.ts';
import { openPage, screenshotPath, servePage, startBrowser } from './browser.ts';

test('the plain page chats, also over a lost connection', async (t) => {
  const gateway = await startFakeGateway(t, { echoes: true });
  const browser = await startBrowser(t);
  const html = readFileSync(new URL('../../examples/plain-js/index.html', import.meta.url), 'utf8');
  const site = await servePage(t, html);
  const { page, problems } = await openPage(t, browser, `${site}?url=${gateway.url.replace('ws', 'http')}`);
  page.setDefaultTimeout(10_000);
  const status = page.locator('holdfast-status [part=text]');
  const say = async (text: string): Promise<void> => {
    await page.getByLabel('Message', { exact: true }).fill(text);
    await page.keyboard.press('Enter');
  };
  await status.filter({ hasText: /^Connected$/ }).waitFor();
  await say('hello');
  await page.getByRole('listitem').filter({ hasText: 'hello' }).waitFor();
  gateway.cut();
  await status.filter({ hasText: /^Connection lost/ }).waitFor();
  await say('still here');
  await page.screenshot({ path: screenshotPath('example-plain-js') });
  await page.getByRole('listitem').filter({ hasText: 'still here' }).waitFor();
  assert.deepEqual(await page.getByRole('listitem').allTextContents(), ['hello', 'still here']);
  assert.deepEqual(problems, []);
});
