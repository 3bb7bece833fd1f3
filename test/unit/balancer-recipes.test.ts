/** The recipes of deploy/ against the defaults of the gateway: a time limit in front that is too short cuts living clients. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultHeartbeat } from '../../src/heartbeat/settings.ts';
import { resolveOptions } from '../../src/options.ts';
import { recipe } from '../support/balancer.ts';

const { limits, failover, path, client } = resolveOptions({});

/** Of a line such as "timeout tunnel 90s". */
function seconds(text: string, name: string): number {
  const [, value] = new RegExp(`^\\s+${name} (\\d+)s;?$`, 'm').exec(text) ?? [];
  assert.ok(value !== undefined, name);
  return Number(value) * 1000;
}

test('an idle client outlives the balancer: its limit is above the timeout of the heartbeat', () => {
  const idle = [seconds(recipe('haproxy'), 'timeout tunnel'), seconds(recipe('nginx'), 'proxy_read_timeout')];
  for (const limit of [...idle, seconds(recipe('nginx'), 'proxy_send_timeout')])
    assert.ok(limit > defaultHeartbeat.client.timeoutMs, `${limit}`);
});

test('an upgrade has as long as the gateway may take for it', () => {
  const longest = limits.hooksTimeoutMs + failover.handshakeWaitMs;
  assert.ok(seconds(recipe('haproxy'), 'timeout server') > longest);
  assert.ok(seconds(recipe('nginx'), 'proxy_next_upstream_timeout') > longest);
});

test('they serve the paths that the gateway has by default', () => {
  assert.deepEqual([path, client.path], ['/ws', '/holdfast']);
  assert.match(recipe('haproxy'), /unless \{ path \/ws \} or \{ path_beg \/ws\/ \} or \{ path_beg \/holdfast\/ \}/);
  assert.match(recipe('nginx'), /location ~ \^\/\(ws\$\|ws\/\|holdfast\/\)/);
});

test('HAProxy asks /readyz, and cuts no client of a gateway that is not ready', () => {
  assert.match(recipe('haproxy'), /http-check send meth GET uri \/readyz /);
  assert.doesNotMatch(recipe('haproxy'), /on-marked-down/);
});
