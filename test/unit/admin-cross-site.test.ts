/** No page of another site can have a browser change something (CSRF). */
import assert from 'node:assert/strict';
import test from 'node:test';
import { authorization, build } from '../support/fake-admin-target.ts';

const cookie = 'session=of-the-operator';
const host = 'gateway.example:8080';
const forged: Record<string, string>[] = [
  { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' },
  { 'sec-fetch-site': 'same-site', origin: 'https://blog.gateway.example' },
  { 'sec-fetch-site': 'cross-site' },
  { origin: 'https://evil.example' },
  { origin: 'null' },
  { origin: 'http://gateway.example:8081' },
];
const honest: Record<string, string>[] = [
  {},
  { 'sec-fetch-site': 'same-origin', origin: `http://${host}` },
  { 'sec-fetch-site': 'none' },
  { origin: `http://${host}` },
];

test('with a hook that goes by cookies, a change from a page of another site is refused', async (t) => {
  const { app, target } = await build(t, { auth: async (request) => request.headers.cookie === cookie });
  const interrupt = (headers: Record<string, string>) =>
    app.inject({ method: 'POST', url: '/pipes/p-7f3c21/interrupt', headers: { host, cookie, ...headers } });
  for (const headers of forged) {
    const answer = await interrupt(headers);
    assert.deepEqual(
      [answer.statusCode, answer.json().code],
      [403, 'HOLDFAST_ERR_CROSS_SITE'],
      JSON.stringify(headers),
    );
    const basic = await interrupt({ ...headers, authorization: 'Basic b3BlcmF0b3I6cGFzcw==' });
    assert.equal(basic.statusCode, 403, 'a browser sends Basic by itself');
    const look = await app.inject({ url: '/backends', headers: { host, cookie, ...headers } });
    assert.equal(look.statusCode, 200, 'looking changes nothing, and the answer may not be read');
    assert.equal(look.headers['access-control-allow-origin'], undefined);
  }
  assert.equal(target.calls.filter(([name]) => name === 'interruptPipe').length, 0);
  for (const headers of honest) assert.equal((await interrupt(headers)).statusCode, 202, JSON.stringify(headers));
});

test('a bearer token is sent only by who knows it: any page may use it', async (t) => {
  const { app } = await build(t);
  for (const headers of forged) {
    const answer = await app.inject({
      method: 'POST',
      url: '/pipes/p-7f3c21/interrupt',
      headers: { host, authorization, ...headers },
    });
    assert.equal(answer.statusCode, 202, JSON.stringify(headers));
  }
  const preflight = await app.inject({
    method: 'OPTIONS',
    url: '/backends',
    headers: { host, origin: 'https://evil.example', 'access-control-request-method': 'POST' },
  });
  assert.notEqual(preflight.statusCode, 204);
  assert.equal(preflight.headers['access-control-allow-origin'], undefined);
});

test('the bodies a form can send are no bodies here', async (t) => {
  const { ask, target } = await build(t);
  const body = JSON.stringify({ url: 'ws://x:1/' });
  for (const type of [
    'text/plain',
    'text/plain;charset=application/json',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/json2',
  ]) {
    const answer = await ask('POST', '/backends', body, { 'content-type': type });
    assert.deepEqual([answer.statusCode, answer.json().code], [415, 'HOLDFAST_ERR_MEDIA_TYPE'], type);
  }
  assert.deepEqual(target.calls, []);
});
