/** The API page works in a browser under its own Content-Security-Policy: it loads, takes a token, and sends a request. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { adminToken, startGateway } from '../support/gateway.ts';
import { openPage, screenshotPath, servePage, startBrowser } from './browser.ts';

test('the page loads without a violation of its policy, authorizes, sends a request, and cannot be framed', async (t) => {
  const gateway = await startGateway(t, { backends: [{ url: 'ws://127.0.0.1:9', id: 'shown-in-the-page' }] });
  const browser = await startBrowser(t);
  const context = await browser.newContext({ viewport: { width: 1100, height: 1000 } });
  const page = await context.newPage();
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(message.text());
  });
  await page.goto(`${gateway.httpUrl}/docs`);
  await page.getByText('List the backends').waitFor();
  await page.getByRole('button', { name: 'Authorize' }).first().click();
  await page.locator('input[aria-label="auth-bearer-value"], .auth-container input').first().fill(adminToken);
  await page.locator('.modal-ux .authorize').click();
  await page.locator('.modal-ux .btn-done').click();
  await page.getByText('List the backends').click();
  await page.getByRole('button', { name: 'Execute' }).click();
  await page.locator('.live-responses-table').getByText('shown-in-the-page').first().waitFor();
  await page.screenshot({ path: screenshotPath('docs-page') });
  assert.deepEqual(problems, []);

  const policy = (await fetch(`${gateway.httpUrl}/docs`)).headers.get('content-security-policy') ?? '';
  assert.doesNotMatch(policy, /unsafe|\*|https?:/);

  const framing = await servePage(t, `<iframe src="${gateway.httpUrl}/docs"></iframe>`);
  const { page: other } = await openPage(t, browser, framing);
  await other.waitForFunction(() => window.frames.length === 1);
  const [, frame] = other.frames();
  assert.equal(await frame?.getByText('List the backends').count(), 0);
  assert.match(frame?.url() ?? '', /^chrome-error:/);
});
