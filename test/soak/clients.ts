/** The clients of a soak: each comes, does something for a while, and goes in its own way. What happens to it meanwhile is its own affair. */
import { connect } from '../support/client.ts';
import { connectRaw, openRaw } from '../support/raw-client.ts';
import { ResumingClient } from '../support/resuming-client.ts';
import { sleep } from '../support/wait.ts';

export interface Scene {
  readonly port: number;
  /** Where the client comes from. */
  readonly localAddress: string;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly stopped: () => boolean;
}

type Life = (scene: Scene) => Promise<void>;

const path = '/ws';
const url = (scene: Scene): string => `ws://127.0.0.1:${scene.port}${path}`;
const door = ({ port, localAddress }: Scene) => ({ port, localAddress, path });
const between = ({ random }: Scene, least: number, most: number): number =>
  Math.round(least + random() * (most - least));

/** Until its time is over or the soak wants it gone. */
async function live(scene: Scene, ms: number, everyMs: number, act: () => void): Promise<void> {
  const until = performance.now() + ms;
  while (performance.now() < until && !scene.stopped()) {
    act();
    await sleep(everyMs);
  }
}

/** Talks, and closes in good order. */
const plain: Life = async (scene) => {
  const client = await connect(null, url(scene), { localAddress: scene.localAddress, collect: false, timeoutMs: 8000 });
  try {
    const bytes = between(scene, 5, 20_000);
    await live(scene, between(scene, 200, 8000), between(scene, 20, 300), () => client.send('x'.repeat(bytes)));
    client.close(1000, 'done');
    await Promise.race([client.closed, sleep(3000)]);
  } finally {
    client.terminate();
  }
};

/** Loses its connection now and then and comes back; in the end it closes, or does not come back any more. */
const resumable: Life = async (scene) => {
  const client = new ResumingClient(null, url(scene), {
    localAddress: scene.localAddress,
    pingMs: 400,
    timeoutMs: 4000,
  });
  let n = 0;
  try {
    await live(scene, between(scene, 500, 10_000), between(scene, 30, 300), () => {
      n += 1;
      client.send(`${n}`);
      if (scene.random() < 0.05) client.cut();
    });
  } finally {
    client.ended = true;
    if (scene.random() < 0.7) client.close();
    else client.cut();
    await sleep(500);
    client.cut();
  }
};

/** Vanishes: inside the handshake or behind it, inside a frame, or by a reset; or is refused for what its handshake says. */
const abrupt: Life = async (scene) => {
  const kind = scene.random();
  if (kind < 0.2) {
    const half = await openRaw(null, { ...door(scene), rawRequest: `GET ${path} HTTP/1.1\r\nHost: a\r\nUpgr` });
    await sleep(between(scene, 0, 300));
    half.destroy();
    return;
  }
  if (kind < 0.3) {
    const headers = kind < 0.25 ? { 'sec-websocket-key': 'short' } : { origin: 'http://elsewhere.example' };
    const refused = await openRaw(null, { ...door(scene), headers });
    await refused.waitClosed();
    return;
  }
  if (kind < 0.4) {
    const gone = await openRaw(null, door(scene));
    await sleep(between(scene, 0, 2));
    gone.reset();
    return;
  }
  const client = await connectRaw(null, { ...door(scene), timeoutMs: 8000 });
  try {
    await client.sendText('hello');
    if (kind < 0.6) await client.sendFrame({ payload: 'half of it', declaredLength: 5000 });
    await sleep(between(scene, 0, 1500));
  } finally {
    if (kind < 0.8) client.reset();
    else client.destroy();
  }
};

/** Asks for much and reads nothing, until the gateway has had enough of it or it goes. */
const slow: Life = async (scene) => {
  const client = await connectRaw(null, { ...door(scene), timeoutMs: 8000 });
  try {
    client.pause();
    await client.sendText('burst:400:32768');
    await live(scene, between(scene, 500, 6000), 100, () => {});
  } finally {
    client.destroy();
  }
};

/** Breaks the protocol and is thrown out. */
const wrong: Life = async (scene) => {
  const client = await connectRaw(null, { ...door(scene), timeoutMs: 8000, autoClose: true });
  try {
    await client.sendFrame({ mask: false, payload: 'unmasked' });
    await client.waitClosed();
  } finally {
    client.destroy();
  }
};

/** Comes so often that it is refused, and then that its connections are dropped, some of them together. */
const greedy: Life = async (scene) => {
  // An address of its own: others have nothing to do with it.
  const own = { ...scene, localAddress: `127.2.0.${between(scene, 1, 250)}` };
  const knock = async (): Promise<boolean> => {
    const client = await openRaw(null, { ...door(own), headers: { 'sec-websocket-key': 'short' } });
    await Promise.race([client.response(5000), client.waitClosed()]).catch(() => {});
    return client.bytesReceived > 0;
  };
  for (let tries = 0; tries < 100 && (await knock()); tries += 1);
  await Promise.all(Array.from({ length: 5 }, knock));
};

/** Sends more requests at once than are answered, and goes before the answers, or is thrown out. */
const hasty: Life = async (scene) => {
  const rawRequest = 'GET /livez HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(between(scene, 2, 60));
  const client = await openRaw(null, { ...door(scene), rawRequest });
  await sleep(between(scene, 0, 300));
  client.destroy();
};

/** Each as often as it is to be drawn. */
const lives: readonly (readonly [name: string, life: Life])[] = (
  [
    ['plain', plain, 6],
    ['resumable', resumable, 4],
    ['abrupt', abrupt, 4],
    ['slow', slow, 1],
    ['wrong', wrong, 1],
    ['greedy', greedy, 1],
    ['hasty', hasty, 1],
  ] as const
).flatMap(([name, life, weight]) => Array.from({ length: weight }, () => [name, life] as const));

/** Of all clients but the greedy ones. */
const addresses = 200;

export class Crowd {
  readonly counts: Record<string, number> = {};
  /** Whom the gateway turned away or lost: with backends that come and go, some. */
  failures = 0;
  readonly #alive = new Set<Promise<void>>();
  readonly #port: number;
  readonly #random: () => number;
  #stopped = false;

  constructor(port: number, random: () => number) {
    this.#port = port;
    this.#random = random;
  }

  /** Clients come at this rate for so long; then all of them end. */
  async churn(durationMs: number, perSecond: number): Promise<void> {
    this.#stopped = false;
    const until = performance.now() + durationMs;
    while (performance.now() < until) {
      this.#begin();
      await sleep((2000 * this.#random()) / perSecond);
    }
    this.#stopped = true;
    await Promise.all(this.#alive);
  }

  #begin(): void {
    const [name, life] = lives[Math.floor(this.#random() * lives.length)]!;
    this.counts[name] = (this.counts[name] ?? 0) + 1;
    const localAddress = `127.1.0.${1 + Math.floor(this.#random() * addresses)}`;
    const one = life({ port: this.#port, localAddress, random: this.#random, stopped: () => this.#stopped })
      .catch(() => {
        this.failures += 1;
      })
      .finally(() => this.#alive.delete(one));
    this.#alive.add(one);
  }
}
