/** Serves the browser library, so that a page needs no build step: `<script type="module" src="/holdfast/client.js">`. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import { secure } from '../routes/security-headers.ts';
import { refuseUpgrade } from './no-upgrade.ts';
import { type AnswerBounds, dropUntaken } from './untaken-answers.ts';

export interface ClientFilesOptions {
  /** Route under which the modules are served. */
  readonly path: string;
  readonly answers: AnswerBounds;
}

const modules = { 'client.js': 'fastify-holdfast/client', 'status.js': 'fastify-holdfast/client/status' };

async function clientFiles(app: FastifyInstance, { path, answers }: ClientFilesOptions): Promise<void> {
  const require = createRequire(import.meta.url);
  for (const [name, module] of Object.entries(modules)) {
    const url = `${path === '/' ? '' : path}/${name}`;
    if (app.hasRoute({ method: 'GET', url: `${app.prefix}${url}` })) continue;
    let code: Buffer;
    try {
      code = await readFile(require.resolve(module));
    } catch {
      // A clone that was not built; a package always has them.
      app.log.warn(`${url} is not served: run "npm run build" first, or set client.serve to false`);
      return;
    }
    const etag = `"${createHash('sha256').update(code).digest('base64url').slice(0, 20)}"`;
    const options = {
      schema: { hide: true },
      exposeHeadRoute: true,
      logLevel: 'warn',
      onRequest: refuseUpgrade,
      onSend: dropUntaken(answers),
    } as const;
    app.get(url, options, async (request, reply) => {
      secure(reply)
        // A page of another origin may load it.
        .header('cross-origin-resource-policy', 'cross-origin')
        .header('etag', etag)
        .header('cache-control', 'no-cache')
        // A module script of another origin needs it; there is nothing secret in here.
        .header('access-control-allow-origin', '*');
      if (request.headers['if-none-match'] === etag) return reply.code(304).send();
      return reply.type('text/javascript; charset=utf-8').send(code);
    });
  }
}

export default fp(clientFiles, { fastify: '5.x', name: 'holdfast-client-files' });
