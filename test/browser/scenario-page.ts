/** A page in Chromium whose HoldfastSocket goes over a relay to a real gateway; what it saw can be read. */
import type { Browser, Page } from 'playwright-core';
import { startProcess } from '../../examples/demo/processes.ts';
import type { HoldfastSocketOptions, SocketEventMap } from '../../src/client/types.ts';
import type { Owner } from '../support/owner.ts';
import { openPage, pageOf, screenshotPath, servePage, startBrowser } from './browser.ts';

interface SeenEvent {
  readonly type: keyof SocketEventMap;
  readonly detail?: Readonly<Record<string, unknown>>;
}

interface Scene {
  readonly socket: { send(data: string): boolean; readonly state: { readonly state: string } };
  readonly messages: string[];
  readonly events: SeenEvent[];
  asked: number;
  refuse: boolean;
}
declare global {
  interface Window {
    readonly scene: Scene;
  }
}

/** `url` is the code of what the library gets as its url. */
const script = (url: string, options: HoldfastSocketOptions): string => `
  import { HoldfastSocket } from '/holdfast/client.js';
  import '/holdfast/status.js';
  window.scene = { messages: [], events: [], asked: 0, refuse: false };
  const socket = new HoldfastSocket(${url}, 'chat', ${JSON.stringify({ minBackoffMs: 50, ...options })});
  scene.socket = socket;
  socket.addEventListener('message', ({ data }) => scene.messages.push(data));
  for (const type of ['open', 'close', 'error', 'state', 'resumed', 'reset', 'restored', 'heartbeat'])
    socket.addEventListener(type, ({ detail }) => scene.events.push({ type, detail: detail && { ...detail } }));
  document.querySelector('holdfast-status').socket = socket;`;

export class ScenarioPage {
  readonly page: Page;
  readonly problems: readonly string[];

  constructor(page: Page, problems: readonly string[]) {
    this.page = page;
    this.problems = problems;
  }

  /** Waits for the words of `<holdfast-status>`. */
  async says(text: RegExp): Promise<void> {
    await this.page.locator('holdfast-status [part=text]').filter({ hasText: text }).waitFor();
  }

  /** Was it taken? */
  send(text: string): Promise<boolean> {
    return this.page.evaluate((data) => window.scene.socket.send(data), text);
  }

  /** Sends `<first>` to `<last>`, a few at a time, without waiting for the end. */
  async stream(first: number, last: number, intervalMs: number): Promise<void> {
    await this.page.evaluate(
      ([from, to, every]) => {
        let n = from;
        const timer = setInterval(() => {
          if (n > to) clearInterval(timer);
          else if (window.scene.socket.send(`m ${n}`)) n += 1;
        }, every);
      },
      [first, last, intervalMs] as const,
    );
  }

  messages(): Promise<string[]> {
    return this.page.evaluate(() => window.scene.messages);
  }

  /** Waits until so many came. */
  async received(count: number, timeout = 10_000): Promise<string[]> {
    await this.page.waitForFunction((wanted) => window.scene.messages.length >= wanted, count, {
      timeout,
      polling: 20,
    });
    return this.messages();
  }

  async events(type: SeenEvent['type']): Promise<Readonly<Record<string, unknown>>[]> {
    const all = await this.page.evaluate(() => window.scene.events);
    return all.filter((one) => one.type === type).map(({ detail }) => detail ?? {});
  }

  async waitFor(type: SeenEvent['type'], count = 1): Promise<Readonly<Record<string, unknown>>> {
    await this.page.waitForFunction(
      ([name, wanted]) => window.scene.events.filter((one) => one.type === name).length >= wanted,
      [type, count] as const,
      { polling: 20 },
    );
    return (await this.events(type))[count - 1] ?? {};
  }

  /** The states that it went through, without repetitions. */
  async states(): Promise<string[]> {
    const states = (await this.events('state')).map(({ state }) => String(state));
    return states.filter((state, index) => state !== states[index - 1]);
  }

  async shot(name: string): Promise<void> {
    await this.page.screenshot({ path: screenshotPath(`scenario-${name}`) });
  }
}

export interface ScenarioSettings {
  /** Of the socket; a string that is code when `urlIsCode`. */
  readonly url: string;
  readonly urlIsCode?: boolean;
  readonly options?: HoldfastSocketOptions;
  readonly browser?: Browser;
}

/** Opens the page; it is connected. */
export async function openScenario(t: Owner, settings: ScenarioSettings): Promise<ScenarioPage> {
  const { url, urlIsCode = false, options = {} } = settings;
  const browser = settings.browser ?? (await startBrowser(t));
  const html = pageOf(script(urlIsCode ? url : JSON.stringify(url), options), '<holdfast-status></holdfast-status>');
  const { page, problems } = await openPage(t, browser, await servePage(t, html), {
    viewport: { width: 560, height: 90 },
    deviceScaleFactor: 2,
  });
  page.setDefaultTimeout(10_000);
  const scenario = new ScenarioPage(page, problems);
  await scenario.says(/^Connected$/);
  return scenario;
}

export interface GatewayProcess {
  readonly port: number;
  kill(): Promise<void>;
  /** SIGTERM; resolves when it has ended. */
  stop(): Promise<void>;
}

/** The `holdfast` command in a process of its own. `port` 0 = any. */
export async function startGatewayProcess(
  t: Owner,
  { port, backends }: { port: number; backends: readonly string[] },
): Promise<GatewayProcess> {
  let found = port;
  const gateway = await startProcess(
    {
      name: 'the gateway',
      args: ['--import', 'tsx', 'src/server.ts'],
      env: {
        HOLDFAST_PORT: String(port),
        HOLDFAST_ADMIN_TOKEN: 'test-token-0123456789',
        HOLDFAST_BACKENDS: backends.join(','),
        HOLDFAST_ALLOWED_ORIGINS: '*',
      },
      onLine: (line) => {
        found = Number(/"listening on http:[^"]*:(\d+)"/.exec(line)?.[1] ?? found);
      },
    },
    (line) => line.includes('"listening on '),
  );
  const kill = async (): Promise<void> => {
    gateway.kill('SIGKILL');
    await gateway.exited;
  };
  t.after(kill);
  // `isReady` is asked before `onLine` hears the same line.
  await new Promise((resolve) => setImmediate(resolve));
  return { port: found, kill, stop: () => gateway.stop(10_000) };
}

/** `<prefix> 1` to `<prefix> <count>`. */
export function numbers(count: number, prefix: string): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${index + 1}`);
}
