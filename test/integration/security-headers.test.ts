/** What a browser is told with every answer of ours: nothing to run, nothing to guess, nothing to frame, nothing to keep. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { adminToken, startGateway } from '../support/gateway.ts';

const authorization = `Bearer ${adminToken}`;

test('pages, answers, errors, probes, refused upgrades and the browser library have their headers', async (t) => {
  const gateway = await startGateway(t, { admin: { prefix: '/ops', auth: { tokens: [adminToken] } } });
  const answers: [path: string, status: number, init?: RequestInit][] = [
    ['/ops/backends', 200, { headers: { authorization } }],
    ['/ops/metrics', 200, { headers: { authorization } }],
    ['/ops/backends', 401],
    ['/ops/backends/none', 404, { headers: { authorization } }],
    ['/ops/nothing', 404, { headers: { authorization } }],
    ['/ops/backends', 415, { method: 'POST', body: 'x', headers: { authorization } }],
    ['/ops/livez', 200],
    ['/ops/readyz', 503],
    ['/ops/docs', 200],
    ['/ops/docs/json', 200],
    ['/ops/docs/static/swagger-ui.css', 200],
    ['/ws', 426],
    ['/ws', 405, { method: 'POST' }],
    ['/holdfast/client.js', 200],
  ];
  for (const [path, status, init] of answers) {
    const answer = await fetch(`${gateway.httpUrl}${path}`, init);
    await answer.arrayBuffer();
    const what = `${init?.method ?? 'GET'} ${path} ${status}`;
    assert.equal(answer.status, status, what);
    const header = (name: string) => answer.headers.get(name) ?? '';
    const policy = header('content-security-policy');
    assert.match(policy, /default-src 'none'.*frame-ancestors 'none'/, what);
    assert.equal(/script-src|style-src/.test(policy), path.startsWith('/ops/docs'), what);
    assert.doesNotMatch(policy, /unsafe|\*/, what);
    assert.equal(header('x-content-type-options'), 'nosniff', what);
    assert.equal(header('referrer-policy'), 'no-referrer', what);
    assert.equal(header('x-frame-options'), 'DENY', what);
    const isLibrary = path.startsWith('/holdfast');
    assert.equal(header('cross-origin-resource-policy'), isLibrary ? 'cross-origin' : 'same-origin', what);
    assert.equal(header('access-control-allow-origin'), isLibrary ? '*' : '', what);
    if (!isLibrary && !path.includes('/static/')) assert.equal(header('cache-control'), 'no-store', what);
  }
});
