/** The OpenAPI 3.1 document of this gateway's routes, at docs/json, and a page to browse it, at docs. No host is asked for an asset. */
import { createRequire } from 'node:module';
import swagger, { formatParamUrl } from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import { errorCodes, type FastifyInstance, type FastifySchema } from 'fastify';
import fp from 'fastify-plugin';
import { describeUpgrade } from '../routes/schemas/upgrade.ts';
import { pagePolicy } from '../routes/security-headers.ts';

const { version } = createRequire(import.meta.url)('fastify-holdfast/package.json') as { version: string };

type Json = string | number | boolean | null | undefined | Json[] | { [key: string]: Json };

export interface OpenapiPluginOptions {
  /** Full route of the clients, with every prefix; null = they connect elsewhere. */
  readonly path: string | null;
}

/** The routes of @fastify/swagger-ui, which throws where nobody can catch it when the app has one of them already. */
const pages = [
  '/docs',
  '/docs/',
  '/docs/json',
  '/docs/yaml',
  '/docs/static/*',
  '/docs/static/index.html',
  '/docs/static/swagger-initializer.js',
];

/**
 * Describes every route of the scope it is registered in.
 * @throws FST_ERR_DUPLICATED_ROUTE where the app has a route of the docs already.
 */
async function openapi(scope: FastifyInstance, { path }: OpenapiPluginOptions): Promise<void> {
  for (const page of pages) {
    const url = `${scope.prefix}${page}`;
    if (scope.hasRoute({ method: 'GET', url })) throw new errorCodes.FST_ERR_DUPLICATED_ROUTE('GET', url);
  }
  let document: string | undefined;
  await scope.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Holdfast',
        version,
        summary: 'Keeps WebSocket clients connected while the backends behind them come and go.',
        description:
          'Admin API of one gateway: register and drain backends, watch pipes, tune the heartbeat while it runs. Bodies are strict: an unknown key, or a string where a number belongs, is refused. Every error has the shape of the schema Error; compare its code.',
        license: { name: 'MIT', identifier: 'MIT' },
      },
      servers: [{ url: scope.prefix || '/', description: 'This gateway.' }],
      tags: [
        { name: 'backends', description: 'The pool: the servers clients are attached to.' },
        { name: 'gateways', description: 'Those that share one pool.' },
        { name: 'pipes', description: 'The clients that are connected.' },
        { name: 'config', description: 'What can be changed while the gateway runs.' },
        { name: 'observe', description: 'What happened, in figures.' },
        { name: 'health', description: 'For probes; no token needed.' },
        { name: 'clients', description: 'Where the WebSocket clients connect.' },
      ],
      security: [{ bearer: [] }],
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer', description: 'An admin token of the gateway.' },
        },
      },
    } as object,
    convertConstToEnum: false,
    transform: ({ schema, url }) => ({ schema: markIds(schema as Json) as FastifySchema, url }),
    transformObject: (source) => {
      if (!('openapiObject' in source)) throw new Error('This is an OpenAPI document.');
      const document = nameSchemas(JSON.parse(JSON.stringify(source.openapiObject)));
      const paths = {
        ...(document.paths as object),
        ...(path === null ? {} : describeUpgrade(formatParamUrl(path), scope.prefix !== '')),
      };
      return { ...document, paths } as typeof source.openapiObject;
    },
  });
  await scope.register(swaggerUi, {
    routePrefix: '/docs',
    indexPrefix: scope.prefix,
    uiConfig: { deepLinking: true, displayRequestDuration: true, tryItOutEnabled: true, persistAuthorization: false },
    theme: { title: 'Holdfast API' },
    staticCSP: pagePolicy,
    // Its own handler would write all of it anew for each request.
    uiHooks: {
      preHandler: (request, reply, done) => {
        if (request.routeOptions.url !== `${scope.prefix}/docs/json`) return done();
        document ??= JSON.stringify(scope.swagger());
        void reply.type('application/json; charset=utf-8').send(document);
      },
    },
  });
}

export default fp(openapi, { name: 'fastify-holdfast-openapi', fastify: '5.x' });

/** @fastify/swagger copies schemas with an $id into every path and drops the $id; under this name it survives. */
const idMark = 'x-holdfast-id';

function markIds(node: Json): Json {
  if (Array.isArray(node)) return node.map(markIds);
  if (typeof node !== 'object' || node === null) return node;
  return Object.fromEntries(
    Object.entries(node).map(([key, value]) => (key === '$id' ? [idMark, value] : [key, markIds(value)])),
  );
}

/** Every schema with an $id becomes a component of that name, and a $ref wherever it stood. */
function nameSchemas(document: { [key: string]: Json }): { [key: string]: Json } {
  const schemas: { [key: string]: Json } = {};
  const visit = (node: Json): Json => {
    if (Array.isArray(node)) return node.map(visit);
    if (typeof node !== 'object' || node === null) return node;
    const { [idMark]: $id, ...rest } = node;
    const visited = Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, visit(value)]));
    const { enum: values, type } = visited;
    // TypeBox gives no type with an enum; generators of clients want one.
    if (Array.isArray(values) && type === undefined && values.every((value) => typeof value === 'string')) {
      visited.type = 'string';
    }
    if (typeof $id !== 'string') return visited;
    schemas[$id] = $id.endsWith('Patch') ? withoutDefaults(visited) : visited;
    return { $ref: `#/components/schemas/${$id}` };
  };
  const { components, ...rest } = document;
  const visited = visit(rest) as { [key: string]: Json };
  const sorted = Object.fromEntries(Object.entries(schemas).sort(([a], [b]) => (a < b ? -1 : 1)));
  return { ...visited, components: { ...(components as object), schemas: sorted } };
}

/** What a patch leaves out stays as it is, so the defaults of the options would mislead there. */
function withoutDefaults(node: Json): Json {
  return JSON.parse(JSON.stringify(node), (key, value: Json) => (key === 'default' ? undefined : value)) as Json;
}
