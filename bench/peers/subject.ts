/** What is measured: a relay of some kind between the load's clients and its backend, in a process of its own on core 0. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManagedChild } from '../../test/support/managed-child.ts';
import type { Build } from '../support/build.ts';
import { treeOf } from '../support/cpu.mjs';
import { descriptorLimit, packageVersion, pinTo, versionOf } from '../support/machine.ts';
import { External, freePort } from './external.ts';

/** One that runs. */
export interface Subject {
  readonly port: number;
  readonly path: string;
  /** The processes it consists of; none of a direct connection. */
  pids(): readonly number[];
  stop(): Promise<void>;
}

/** One that can be started; a new one each round, since a process alone may be lucky with its heap. */
export interface Contender {
  readonly name: string;
  readonly version: string;
  start(backendPort: number): Promise<Subject>;
}

export const direct: Contender = {
  name: 'direct',
  version: '',
  start: async (backendPort) => ({ port: backendPort, path: '/', pids: () => [], stop: async () => {} }),
};

/** A relay in Node, one of the *-main.mjs beside this file. */
function nodePeer(name: string, version: string, module: string, settings: object = {}): Contender {
  return {
    name,
    version,
    async start(backendPort) {
      const { child, ready } = await ManagedChild.start<{ readonly port: number }>({
        module: new URL(`./${module}`, import.meta.url),
        argument: { backendPort, ...settings },
        what: name,
        readyTimeoutMs: 20_000,
      });
      pinTo(0, child.pid);
      return { port: ready.port, path: '/', pids: () => treeOf(child.pid), stop: () => child.kill() };
    },
  };
}

const node = process.version.slice(1);
const proxyPackage = '@fastify/http-proxy';

/** All relays in Node. */
export const nodePeers: readonly Contender[] = [
  nodePeer('net relay', node, 'tcp-relay-main.mjs'),
  nodePeer('http-proxy', packageVersion('http-proxy'), 'http-proxy-main.mjs'),
  nodePeer(proxyPackage, packageVersion(proxyPackage), 'fastify-http-proxy-main.mjs', { reconnect: false }),
  nodePeer(`${proxyPackage} wsReconnect`, packageVersion(proxyPackage), 'fastify-http-proxy-main.mjs', {
    reconnect: true,
  }),
  nodePeer('ws relay', packageVersion('ws'), 'ws-relay-main.mjs'),
];

/** nginx and HAProxy, those that are installed; says which are not. */
export function externalPeers(): readonly Contender[] {
  const found: Contender[] = [];
  const nginx = versionOf('nginx', '-v');
  const haproxy = versionOf('haproxy', '-v');
  if (nginx !== undefined) found.push(configured('nginx', nginx, nginxConfig, ['-e', 'stderr', '-c']));
  if (haproxy !== undefined) found.push(configured('HAProxy', haproxy, haproxyConfig, ['-W', '-db', '-f'], 'haproxy'));
  const missing = ['nginx', 'haproxy'].filter((_, index) => [nginx, haproxy][index] === undefined);
  if (missing.length > 0)
    console.log(`Not installed, so not measured: ${missing.join(', ')} (apt-get install --no-install-recommends).`);
  return found;
}

type Config = (folder: string, port: number, backendPort: number) => string;

function configured(
  name: string,
  version: string,
  config: Config,
  flags: readonly string[],
  program = name,
): Contender {
  return {
    name,
    version,
    async start(backendPort) {
      const folder = mkdtempSync(join(tmpdir(), `holdfast-bench-${program}-`));
      const port = await freePort();
      const file = join(folder, `${program}.conf`);
      writeFileSync(file, config(folder, port, backendPort));
      const process = new External(name, [program, ...flags, file]);
      await process.listening(port);
      const stop = async (): Promise<void> => {
        await process.kill();
        rmSync(folder, { recursive: true, force: true });
      };
      return { port, path: '/', pids: () => process.pids, stop };
    },
  };
}

/** As nginx's own guide to WebSocket proxying has it; one worker, as there is one core. */
const nginxConfig: Config = (folder, port, backendPort) => `
daemon off;
error_log stderr crit;
pid ${folder}/nginx.pid;
worker_processes 1;
worker_rlimit_nofile ${Math.min(descriptorLimit(), 1_000_000)};
events { worker_connections ${Math.min(descriptorLimit(), 1_000_000)}; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  server {
    listen 127.0.0.1:${port} backlog=8192;
    location / {
      proxy_pass http://127.0.0.1:${backendPort};
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade";
      proxy_read_timeout 3600s;
      proxy_send_timeout 3600s;
    }
  }
}
`;

const haproxyConfig: Config = (_folder, port, backendPort) => `
global
  nbthread 1
  maxconn 9500
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout tunnel 3600s
frontend clients
  bind 127.0.0.1:${port} backlog 8192
  default_backend backends
backend backends
  server one 127.0.0.1:${backendPort}
`;

/** The holdfast command, compiled, with its defaults: heartbeats, at-least-once, metrics and statistics on. */
export function holdfast(build: Build, version: string, options: object = {}, name = 'Holdfast'): Contender {
  return {
    name,
    version,
    async start(backendPort) {
      const folder = mkdtempSync(join(tmpdir(), 'holdfast-bench-'));
      const file = join(folder, 'config.json');
      const settings = { port: 0, backends: [`ws://127.0.0.1:${backendPort}`], logLevel: 'info', ...options };
      writeFileSync(file, JSON.stringify({ ...settings, admin: { tokens: [benchToken] } }));
      const gateway = new External(name, [build.command, '--config', file]);
      const [, port] = await gateway.line(/listening on http:\/\/127\.0\.0\.1:(\d+)/);
      const stop = async (): Promise<void> => {
        await gateway.kill();
        rmSync(folder, { recursive: true, force: true });
      };
      return { port: Number(port), path: '/ws', pids: () => gateway.pids, stop };
    },
  };
}

/** Of the admin API of a gateway that is measured. */
export const benchToken = 'bench-token-0123456789';

/** Asks the admin API of a gateway that is measured. @throws unless it answers 2xx. */
export async function askAdmin(subject: Subject, method: string, path: string, body?: unknown): Promise<unknown> {
  const response = await fetch(`http://127.0.0.1:${subject.port}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${benchToken}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text.slice(0, 200)}`);
  return text === '' ? null : JSON.parse(text);
}
