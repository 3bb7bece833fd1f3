/** How `<holdfast-status>` looks and behaves in each state, in light and in dark; the pictures are in test/screenshots. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openPage, pageOf, screenshotPath, servePage, startBrowser } from './browser.ts';

const states = {
  connecting: { state: 'connecting', attempt: 1 },
  'not-yet': { state: 'connecting', attempt: 2, inMs: 3_900, reason: 'lost' },
  open: { state: 'open' },
  interrupted: { state: 'interrupted', reason: 'lost' },
  waiting: { state: 'reconnecting', attempt: 3, inMs: 3_900, reason: 'lost' },
  trying: { state: 'reconnecting', attempt: 3, reason: 'lost' },
  offline: { state: 'reconnecting', inMs: 3_900, reason: 'offline' },
  restarting: { state: 'reconnecting', inMs: 3_900, reason: 'goaway' },
  failed: { state: 'failed', attempt: 10, reason: 'lost', code: 1006 },
  closed: { state: 'closed', code: 1000 },
  ended: { state: 'closed', code: 1008 },
  elsewhere: { state: 'closed', code: 4409 },
};

const script = `
  import '/holdfast/status.js';
  class Source extends EventTarget {
    asked = 0;
    constructor(state) { super(); this.set(state); }
    set({ inMs, ...state }) {
      this.state = { attempt: 0, maxAttempts: 10, nextTryAt: inMs ? Date.now() + inMs : null, reason: '', code: 0, ...state };
      this.dispatchEvent(new Event('state'));
    }
    reconnect() { this.asked += 1; }
  }
  window.states = ${JSON.stringify(states)};
  window.show = (name) => {
    const element = document.createElement('holdfast-status');
    element.id = name;
    element.socket = new Source(states[name]);
    const row = document.createElement('p');
    row.append(element);
    document.body.append(row);
    return element;
  };
  for (const name of Object.keys(states)) show(name);
  window.ready = true;`;
const body = '<style>:root { color-scheme: light dark } body { margin: 16px } p { margin: 0 0 12px }</style>';

for (const colorScheme of ['light', 'dark'] as const) {
  test(`each state, ${colorScheme}`, async (t) => {
    const browser = await startBrowser(t);
    const url = await servePage(t, pageOf(script, body));
    const { page, problems } = await openPage(t, browser, url, {
      colorScheme,
      viewport: { width: 760, height: 780 },
      deviceScaleFactor: 2,
    });
    await page.waitForFunction('window.ready');
    for (const name of Object.keys(states)) {
      await page.locator(`#${name}`).screenshot({ path: screenshotPath(`status-${name}-${colorScheme}`) });
    }
    await page.screenshot({ path: screenshotPath(`status-all-${colorScheme}`), fullPage: true });
    await page.setViewportSize({ width: 320, height: 780 });
    await page.screenshot({ path: screenshotPath(`status-all-narrow-${colorScheme}`), fullPage: true });
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= 320, `${width} px wide on a narrow page`);
    assert.deepEqual(problems, []);
  });
}

test('counts down, says each topic once, asks by click, keeps the focus, speaks another language', async (t) => {
  const browser = await startBrowser(t);
  const url = await servePage(t, pageOf(script, body));
  const { page } = await openPage(t, browser, url, { reducedMotion: 'reduce' });
  await page.waitForFunction('window.ready');
  const run = <T>(code: string): Promise<T> => page.evaluate(code);
  const text = page.locator('#waiting [part=text]');
  const aloud = page.locator('#waiting [role=status]');
  const button = page.locator('#waiting [part=button]');
  const first = await text.textContent();
  assert.match(first ?? '', /^Connection lost\. Trying again in \d\ss \(attempt 3 of 10\)$/);
  assert.equal(await aloud.getAttribute('aria-live'), 'polite');
  const said = await aloud.textContent();
  await page.waitForFunction(
    (before) => document.querySelector('#waiting')?.shadowRoot?.querySelector('[part=text]')?.textContent !== before,
    first,
  );
  assert.equal(await aloud.textContent(), said, 'a countdown is not read out each second');

  await button.click();
  assert.equal(await run('document.querySelector("#waiting").socket.asked'), 1);
  await run('document.querySelector("#waiting").socket.set(states.trying)');
  assert.equal(await button.getAttribute('aria-disabled'), 'true');
  await button.click({ force: true });
  assert.equal(await run('document.querySelector("#waiting").socket.asked'), 1);
  await run('document.querySelector("#waiting").socket.set(states.open)');
  assert.equal(await aloud.textContent(), 'Connected');
  assert.equal(await button.isVisible(), false);
  assert.equal(await run('document.activeElement.id'), 'waiting', 'the focus stays in the element');
  assert.equal(await run('document.querySelector("#waiting").getAttribute("state")'), 'open');

  await run(
    'document.querySelector("#failed").texts = { failed: "Keine Verbindung nach {maxAttempts} Versuchen.", button: "Neu verbinden" }',
  );
  assert.equal(await page.locator('#failed [part=text]').textContent(), 'Keine Verbindung nach 10 Versuchen.');
  assert.equal(await page.locator('#failed [part=button]').textContent(), 'Neu verbinden');

  const animation = await run<string>(
    'getComputedStyle(document.querySelector("#trying").shadowRoot.querySelector("[part=dot]")).animationName',
  );
  assert.equal(animation, 'none', 'reduced motion');

  await run('document.querySelector("#open").toggleAttribute("quiet", true)');
  assert.equal(await page.locator('#open').isVisible(), false);
  await run('document.querySelector("#open").socket.set(states.failed)');
  assert.equal(await page.locator('#open').isVisible(), true);

  await run(
    'window.removed = document.querySelector("#closed"); removed.remove(); removed.socket.set(states.failed); document.body.append(removed)',
  );
  assert.match((await page.locator('#closed [part=text]').textContent()) ?? '', /^Could not connect/);

  await run('document.querySelector("#closed").socket = null');
  assert.equal(await page.locator('#closed [part=text]').textContent(), '');
  assert.equal(await page.locator('#closed [part=button]').isVisible(), false);
  assert.equal(await page.locator('#closed').getAttribute('state'), null);
});
