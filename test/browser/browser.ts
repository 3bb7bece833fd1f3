/** Debian's Chromium, and pages with the built client modules. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import type { Owner } from '../support/owner.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const executablePath = process.env['HOLDFAST_CHROMIUM'] ?? '/usr/bin/chromium';

/** A test without its browser has failed: it says what to install. (Installed where that is wanted: see scripts/debian-packages.mjs.) */
function requireChromium(): void {
  let problem = '';
  // Two test files may want to install at the same time, and apt lets one in.
  for (let attempt = 0; attempt < 30; attempt += 1) {
    if (existsSync(executablePath)) return;
    const { stderr } = spawnSync(process.execPath, [join(root, 'scripts/debian-packages.mjs'), 'chromium'], {
      encoding: 'utf8',
    });
    problem = stderr.trim();
    if (!existsSync(executablePath) && !/lock/i.test(problem)) break;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2_000);
  }
  throw new Error(
    `There is no ${executablePath}, so nothing was tested in a browser. ${problem}\nOr set HOLDFAST_CHROMIUM to a Chromium or Chrome.`,
  );
}

export async function startBrowser(t: Owner): Promise<Browser> {
  requireChromium();
  const browser = await chromium.launch({
    executablePath,
    headless: true,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
  t.after(() => browser.close());
  return browser;
}

const { bundleClient } = (await import(new URL('../../scripts/build-client.mjs', import.meta.url).href)) as {
  bundleClient(outdir?: string): Promise<Record<'index' | 'status', string>>;
};

/** A page with `script` as its own module. */
export function pageOf(script: string, body = ''): string {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>test</title><body>${body}<script type="module">${script}</script>`;
}

/** A server of one page, with the modules at /holdfast/client.js and /holdfast/status.js. */
export async function servePage(t: Owner, html: string): Promise<string> {
  const { index, status } = await bundleClient();
  const files: Record<string, string> = { '/holdfast/client.js': index, '/holdfast/status.js': status };
  const server = createServer((request, response) => {
    const file = files[request.url ?? ''];
    response.setHeader(
      'content-type',
      file === undefined ? 'text/html; charset=utf-8' : 'text/javascript; charset=utf-8',
    );
    response.end(file ?? html);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

export async function openPage(
  t: Owner,
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<{ page: Page; problems: string[] }> {
  const context = await browser.newContext(options);
  t.after(() => context.close());
  const page = await context.newPage();
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(String(error)));
  await page.goto(url);
  return { page, problems };
}

/** Git ignores the folder. */
export function screenshotPath(name: string): string {
  const folder = join(root, 'test/screenshots');
  mkdirSync(folder, { recursive: true });
  return join(folder, `${name}.png`);
}
