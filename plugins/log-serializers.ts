/** What Fastify's own lines say of a request to our routes. */
import type { FastifyInstance, FastifyRequest } from 'fastify';

/** Where pino keeps the serializers of a logger. */
const pinoSerializers = Symbol.for('pino.serializers');
type Serializers = Partial<Record<string, (value: FastifyRequest) => unknown>>;

/** For a route or a scope: the host's request serializer, with the url cut before the query string, where tokens are. */
export function logSerializers(app: FastifyInstance): { req(request: FastifyRequest): unknown } {
  const host = (app.log as { [pinoSerializers]?: Serializers })[pinoSerializers]?.['req'];
  return {
    req: (request) => {
      const shown = host?.(request);
      if (typeof shown !== 'object' || shown === null || !('url' in shown)) return shown;
      return { ...shown, url: String(shown.url).replace(/[?;#].*$/s, '') };
    },
  };
}
