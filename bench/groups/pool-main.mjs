// How long the pool takes to choose a backend: lease, attach, release, with some connections held, as pipes come and go.
const { root, backends, balancing, picks } = JSON.parse(process.argv[2] ?? '{}');
const { BackendPool } = await import(new URL('src/pool/backend-pool.js', root).href);
const { EventStream } = await import(new URL('src/observe/events.js', root).href);
const { resolveOptions } = await import(new URL('src/options.js', root).href);

const { pool: options } = resolveOptions({ pool: { balancing } });
const pool = new BackendPool({ options, events: new EventStream(), now: () => performance.now() });
for (let n = 0; n < backends; n++) pool.register({ url: `ws://10.0.${n >> 8}.${n & 255}:9000/`, weight: 1 + (n % 3) });

const held = new Array(2 * backends + 8).fill(null);
/** @param {number} count */
function pickMany(count) {
  for (let n = 0; n < count; n++) {
    const place = n % held.length;
    held[place]?.release();
    const lease = pool.lease({ clientId: `client-${n}` });
    lease?.attached();
    held[place] = lease;
  }
}
pickMany(Math.max(2 * held.length, 5000));
const from = performance.now();
pickMany(picks);
const microseconds = ((performance.now() - from) * 1000) / picks;
process.send?.({ event: 'ready', data: { microseconds } });
process.on('disconnect', () => process.exit(0));
