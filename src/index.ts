/**
 * fastify-holdfast: a Fastify plugin that keeps WebSocket clients connected while the backends behind them come and go.
 *
 *     app.register(holdfast, { path: '/ws', backends: ['ws://10.0.0.1:9000'], admin: { auth: { tokens: [token] } } })
 *
 * decorates `app.pipeManager`, serves the clients' WebSocket route and the admin REST API.
 */
import { createRequire } from 'node:module';
import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import admin from '../plugins/admin.ts';
import adminListener from '../plugins/admin-listener.ts';
import clientFiles from '../plugins/client-files.ts';
import gateway from '../plugins/gateway.ts';
import metricsPlugin, { createMetrics } from '../plugins/metrics.ts';
import { addressOf } from '../plugins/request-address.ts';
import type { AnswerBounds } from '../plugins/untaken-answers.ts';
import type { ClusterStore } from './cluster/store.ts';
import { DnsDiscovery } from './discovery/dns-discovery.ts';
import { ClusterNode } from './gateways/cluster-node.ts';
import { ClusteredTarget } from './gateways/clustered-target.ts';
import { type EventLogOptions, eventLog } from './observe/log.ts';
import { type HoldfastOptions, type ResolvedOptions, resolveOptions } from './options.ts';
import { backendChecks } from './pipe/backend-checks.ts';
import { PipeManager } from './pipe/pipe-manager.ts';

const { version } = createRequire(import.meta.url)('fastify-holdfast/package.json') as { version: string };

declare module 'fastify' {
  interface FastifyInstance {
    /** The pipes of this gateway, its pool of backends and its events. */
    pipeManager: PipeManager;
  }
}

/**
 * @throws HOLDFAST_ERR_OPTIONS for options that are wrong or contradict each other, HOLDFAST_ERR_NO_ADMIN_AUTH where the admin
 * API is left without authentication, HOLDFAST_ERR_BACKEND_URL and HOLDFAST_ERR_BACKEND_EXISTS for the `backends` given,
 * FST_ERR_DUPLICATED_ROUTE where the app has one of the routes already.
 */
async function holdfast(app: FastifyInstance, options: HoldfastOptions): Promise<void> {
  const resolved = resolveOptions(options);
  const metrics = createMetrics(options.metrics);
  const manager = new PipeManager({
    options: resolved,
    onError: (error) => app.log.error({ err: error }, 'a listener of the gateway failed'),
    sinks: [
      eventLog(app.log.child({ gateway: `${app.prefix}${resolved.path}` }), {
        levels: auditLevels(options),
        refusedLogsPerSecond: resolved.limits.refusedLogsPerSecond,
      }),
      metrics.sink,
    ],
  });
  app.decorate('pipeManager', manager);
  const { dns } = resolved.discovery ?? {};
  const discovery = dns === undefined ? null : new DnsDiscovery(dns, manager);
  const checks = backendChecks(manager);
  const node = joinCluster(app, manager, options.cluster?.store);
  app.addHook('onReady', async () => {
    discovery?.start();
    checks?.start();
    warnOfPluginTimeout(app, resolved);
    warnOfSlowHeads(app);
    manager.events.emit('gateway.started', { path: `${app.prefix}${resolved.path}`, backends: manager.pool.size });
  });
  await app.register(metricsPlugin, { metrics, source: manager });
  await app.register(gateway, { manager });
  const answers: AnswerBounds = {
    limitMs: resolved.closing.handshakeMs,
    notTaken: (request) => manager.tally.hit('close-time', { clientIp: addressOf(request) }),
  };
  if (resolved.client.serve) await app.register(clientFiles, { path: resolved.client.path, answers });
  if (options.admin === false) return;
  const target = node === null ? manager : new ClusteredTarget(manager, node);
  const page = { text: options.metrics?.page ?? (() => metrics.text()) };
  const adminOptions = { target, admin: options.admin ?? {}, metrics: page, path: resolved.path, answers };
  if (adminOptions.admin.listen === undefined) await app.register(admin, adminOptions);
  else await app.register(adminListener, { ...adminOptions, tls: manager.tls });
}

/** @returns null = this gateway is alone. */
function joinCluster(app: FastifyInstance, manager: PipeManager, store: ClusterStore | undefined): ClusterNode | null {
  if (store === undefined) return null;
  const onError = (error: unknown): void =>
    app.log.error({ err: error }, 'what the gateways share could not be dealt with');
  const node = new ClusterNode({ manager, store, version, onError });
  // Before the port is open: the first client finds the pool that the others have.
  app.addHook('onReady', () => node.start());
  app.addHook('onClose', () => node.stop());
  return node;
}

function auditLevels({ admin }: HoldfastOptions): NonNullable<EventLogOptions['levels']> {
  const level = admin === false ? undefined : admin?.auditLogLevel;
  return level === undefined ? {} : { 'audit.changed': level, 'audit.refused': level };
}

/** Fastify gives a closing hook pluginTimeout, and ours may need longer to close all clients in good order. */
function warnOfPluginTimeout(app: FastifyInstance, { shutdown, closing }: ResolvedOptions): void {
  const { pluginTimeout = 0 } = app.initialConfig;
  const neededMs = shutdown.spreadMs + closing.handshakeMs;
  if (pluginTimeout === 0 || neededMs < pluginTimeout) return;
  app.log.warn(
    `app.close() may need shutdown.spreadMs + closing.handshakeMs (${neededMs} ms), over Fastify's pluginTimeout (${pluginTimeout} ms). Raise pluginTimeout, or await app.pipeManager.close() first.`,
  );
}

/** Before the head of a request is whole nothing of ours runs. */
function warnOfSlowHeads({ server, log }: FastifyInstance): void {
  // A host's server of HTTP/2 alone has no such limit.
  if (server.headersTimeout !== 0) return;
  log.warn(
    'headersTimeout of the server is 0: whoever connects may take for ever to say what it wants, and holds a connection meanwhile. Leave it at its default (60,000 ms), or lower.',
  );
}

export default fp(holdfast, { fastify: '5.x', name: 'fastify-holdfast' });
export type { Principal } from './access/principal.ts';
export { AdminTokens } from './admin/admin-tokens.ts';
export type { AdminIdentity, AdminListen, AdminRole, AdminToken } from './admin/settings.ts';
export type { ClusterStore } from './cluster/store.ts';
export type {
  AllowedOriginsFunction,
  AttachContext,
  AuthenticateFunction,
  BackoffFunction,
  ClientIdFunction,
  OnAttachFunction,
  RequestHeadersFunction,
} from './hooks.ts';
export type { EventName, HoldfastEvents } from './observe/events.ts';
export type { PipeState } from './observe/vocabulary.ts';
export type { AdminOptions, HoldfastOptions, MetricsOptions } from './options.ts';
export { PipeManager } from './pipe/pipe-manager.ts';
export type { PipeDetail, PipePage, PipeQuery, PipeView } from './pipe/views.ts';
export type { BackendInput } from './pool/settings.ts';
export type { BackendView } from './pool/views.ts';
