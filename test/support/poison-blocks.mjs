// node --import ./test/support/poison-blocks.mjs: whoever imports src/wire/byte-blocks.ts gets poisoned-blocks.ts.
import { register } from 'node:module';
import { isMainThread } from 'node:worker_threads';

// Node runs the hook below in a thread of its own.
if (isMainThread) register(import.meta.url);

const real = new URL('../../src/wire/byte-blocks.ts', import.meta.url).href;
const double = new URL('./poisoned-blocks.ts', import.meta.url).href;

/** @param {string} specifier @param {object} context @param {(specifier: string, context: object) => Promise<{ url: string }>} next */
export async function resolve(specifier, context, next) {
  const found = await next(specifier, context);
  return found.url.split('?', 1)[0] === real ? { ...found, url: double } : found;
}
