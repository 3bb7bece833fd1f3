/** The OpenAPI document promises no answer that there is not: each of them is had from its route once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect } from '../support/client.ts';
import { adminToken } from '../support/gateway.ts';
import { until } from '../support/wait.ts';
import { livePipe, type Route } from './admin-requests.ts';
import { type AdminStage, readToken, startAdminStage } from './admin-stage.ts';

interface Wanted {
  /** METHOD path, as in the document. */
  readonly operation: string;
  readonly status: number;
}
interface Ask {
  readonly id?: string;
  readonly query?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly token?: string | null;
  readonly from?: string;
}

/**
 * 500 is a defect; the others come from a store that several gateways share (cluster-shared-pool, store-redis-gone), or from another gateway
 * (cluster-view, cluster-redis-view).
 */
function comesFromElsewhere({ operation, status }: Wanted): boolean {
  const ofTheStore = [
    'DELETE /backends 503',
    'DELETE /backends/{id} 503',
    'PATCH /backends/{id} 409',
    'PATCH /backends/{id} 503',
    'PATCH /config/heartbeat 409',
    'PATCH /config/heartbeat 503',
    'PATCH /config/buffer 409',
    'PATCH /config/buffer 503',
    'DELETE /pipes/{id} 409',
  ];
  const ofOthers = status >= 502 && /^[A-Z]+ \/(pipes|stats|audit)/.test(operation);
  return status === 500 || ofOthers || ofTheStore.includes(`${operation} ${status}`);
}

/** What is named in the query and is not there. */
const unknown: Readonly<Record<string, string>> = {
  'DELETE /backends': '?url=ws://127.0.0.1:9',
  'GET /pipes': '?gateway=gw-9.aaaaaa',
  'GET /stats': '?gateway=gw-9.aaaaaa',
  'GET /audit': '?gateway=gw-9.aaaaaa',
};

const text = ({ operation, status }: Wanted): string => `${operation} ${status}`;
const nameOf = ({ method, path }: Route): string => `${method} ${path}`;

type Get = (operation: string, status: number, ask?: Ask) => Promise<void>;

/** Asks a route, insists on that status in the promised shape, and writes it down in `seen`. */
function examiner(stage: AdminStage, seen: Set<string>): Get {
  return async (operation, status, { id = 'nobody', query = '', body, ...ask } = {}) => {
    const route = stage.routes.find((one) => nameOf(one) === operation);
    assert.ok(route, `the document has no ${operation}`);
    const { token = adminToken, headers = {}, from = '10.0.0.1' } = ask;
    const request = {
      route,
      method: route.method,
      url: `${route.path.replace('{id}', id)}${query}`,
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      payload: body === undefined || typeof body === 'string' ? body : JSON.stringify(body),
    };
    const { problem, status: got } = await stage.ask(request, from);
    assert.equal(problem, undefined, `${operation}: ${problem}`);
    assert.equal(got, status, operation);
    seen.add(text({ operation, status }));
  };
}

test('each answer that the document promises is given, in the shape it promises', async (t) => {
  const stage = await startAdminStage(t, {
    drain: { timeoutMs: 60_000 },
    failover: { maxInterruptionMs: 60_000 },
    closing: { handshakeMs: 100, lingerMs: 100 },
  });
  const { gateway, backend, routes } = stage;
  const seen = new Set<string>();
  const get = examiner(stage, seen);

  // What any caller can do wrong.
  for (const route of routes) {
    const operation = nameOf(route);
    const promised = (status: number): boolean => String(status) in route.operation.responses;
    if (promised(401)) await get(operation, 401, { token: null });
    if (promised(403)) await get(operation, 403, { token: readToken, query: '?url=ws://127.0.0.1:9' });
    if (promised(400)) await get(operation, 400, { query: '?no-such-key=1' });
    if (promised(413)) await get(operation, 413, { body: 'x'.repeat(70_000), query: '?url=ws://127.0.0.1:9' });
    if (promised(415))
      await get(operation, 415, {
        body: 'weight=1',
        headers: { 'content-type': 'text/plain' },
        query: '?url=ws://127.0.0.1:9',
      });
    if (promised(404)) {
      const query = unknown[operation] ?? '';
      await get(operation, 404, { query, ...('requestBody' in route.operation ? { body: { weight: 2 } } : {}) });
    }
  }
  const from = '10.9.9.9';
  for (let n = 0; n < 10; n += 1) await get('GET /backends', 401, { token: `wrong-${n}-0123456789`, from });
  for (const route of routes) if ('429' in route.operation.responses) await get(nameOf(route), 429, { from });

  // What goes well, and what does not fit the present state.
  await get('GET /livez', 200, { token: null });
  await get('GET /readyz', 503, { token: null });
  await get('POST /backends', 201, { body: { id: 'a', url: backend.url } });
  await get('POST /backends', 409, { body: { id: 'a', url: backend.url } });
  await get('GET /readyz', 200, { token: null });
  const client = await connect(t, gateway.url);
  for (const path of [
    '/backends',
    '/gateways',
    '/pipes',
    '/config/heartbeat',
    '/config/buffer',
    '/stats',
    '/audit',
    '/metrics',
  ])
    await get(`GET ${path}`, 200);
  await get('GET /backends/{id}', 200, { id: 'a' });
  await get('GET /pipes/{id}', 200, { id: livePipe });
  await get('PATCH /backends/{id}', 200, { id: 'a', body: { weight: 2 } });
  await get('POST /backends/{id}/rebalance', 202, { id: 'a' });
  await get('PATCH /config/heartbeat', 200, { body: { client: { intervalMs: 20_000 } } });
  await get('PATCH /config/buffer', 200, { body: { maxDownstreamBytes: 2_000_000 } });
  const headers = { 'if-match': '"999999"' };
  await get('PATCH /config/heartbeat', 412, { body: { client: { intervalMs: 10_000 } }, headers });
  await get('PATCH /config/buffer', 412, { body: { maxDownstreamBytes: 1_000_000 }, headers });
  // It has nowhere to move its pipe to.
  await get('DELETE /backends/{id}', 202, { id: 'a' });
  await get('DELETE /backends/{id}', 409, { id: 'a' });
  await get('DELETE /backends', 409, { query: `?url=${backend.url}` });
  await get('POST /backends/{id}/rebalance', 409, { id: 'a' });
  await get('POST /pipes/{id}/interrupt', 202, { id: livePipe });
  await get('DELETE /backends/{id}', 204, { id: 'a', query: '?mode=force' });
  await until(() => gateway.manager.size === 1 && [...gateway.manager].every(({ state }) => state === 'interrupted'));
  await get('POST /pipes/{id}/interrupt', 409, { id: livePipe });
  await get('POST /backends', 201, { body: { id: 'b', url: backend.url } });
  await client.ask('attached again');
  await get('DELETE /backends', 202, { query: `?url=${backend.url}` });
  await get('DELETE /backends', 204, { query: `?url=${backend.url}&mode=force` });
  await get('DELETE /pipes/{id}', 204, { id: livePipe });
  const closing = gateway.manager.close();
  await get('POST /backends', 503, { body: { id: 'c', url: backend.url } });
  await closing;

  const promised = routes.flatMap((route) =>
    Object.keys(route.operation.responses).map((status) => ({ operation: nameOf(route), status: Number(status) })),
  );
  const missing = promised.filter((one) => !comesFromElsewhere(one) && !seen.has(text(one))).map(text);
  assert.deepEqual(missing, [], 'promised, and never given here');
});
