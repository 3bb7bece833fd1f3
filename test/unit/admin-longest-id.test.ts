import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import test from 'node:test';
import { documentFile } from '../../openapi/generate.ts';
import { type Route, routesOf } from '../fuzz/admin-requests.ts';
import { build } from '../support/fake-admin-target.ts';

const longest = ({ operation }: Route) =>
  operation.parameters?.find((parameter) => parameter.in === 'path')?.schema as { maxLength: number } | undefined;

test('the longest id that the OpenAPI document allows reaches its route in an app of the default maxParamLength', async (t) => {
  const { ask } = await build(t);
  const routes = routesOf(JSON.parse(await readFile(documentFile, 'utf8')) as Parameters<typeof routesOf>[0]);
  const withId = routes.filter((route) => longest(route) !== undefined);
  assert.ok(withId.length >= 6);
  for (const route of withId) {
    const url = route.path.replace('{id}', 'x'.repeat(longest(route)!.maxLength));
    const answer = await ask(route.method as 'GET', url, route.method === 'PATCH' ? { weight: 2 } : undefined);
    assert.equal(answer.statusCode, 404, `${route.method} ${route.path}: ${answer.body}`);
    assert.match(answer.json().code, /^HOLDFAST_ERR_(BACKEND|PIPE)_NOT_FOUND$/);
  }
});
