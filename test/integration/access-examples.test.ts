import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runExample } from '../support/example.ts';

test('auth-cookie: the session lets in, other pages and other people are refused, logging out closes', async () => {
  assert.deepEqual(await runExample('auth-cookie/auth-cookie.ts'), [
    'without a session: 401 HOLDFAST_ERR_CLIENT_UNAUTHENTICATED',
    'with a wrong password: 401',
    "ann's browser on a page of another site: 403 HOLDFAST_ERR_ORIGIN_NOT_ALLOWED",
    'ann: hello, cookie: none',
    'logged out, connections closed: 1',
    'closed with 4401',
    'with the old cookie: 401 HOLDFAST_ERR_CLIENT_UNAUTHENTICATED',
  ]);
});

test('auth-jwt: a token by header or a ticket by query lets in; forged, misused and expired ones are refused', async () => {
  assert.deepEqual(await runExample('auth-jwt/auth-jwt.ts'), [
    'without a token: 401 HOLDFAST_ERR_CLIENT_UNAUTHENTICATED',
    'with a forged one: 401 HOLDFAST_ERR_CLIENT_UNAUTHENTICATED',
    'the token in the place of a ticket: 401 HOLDFAST_ERR_CLIENT_UNAUTHENTICATED',
    'ann (editor): hello from an app',
    'ann (editor): hello from a page',
    'with a ticket that is over: 401 HOLDFAST_ERR_CLIENT_UNAUTHENTICATED',
    'ann (editor): the connection it opened goes on',
  ]);
});
