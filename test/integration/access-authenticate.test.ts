/** Who a client is: `authenticate` before the upgrade, and what its answer is good for afterwards. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AuthenticateFunction } from '../../src/hooks.ts';
import { startBackend } from '../support/backend-process.ts';
import { connect, connectRefused } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { LogCapture } from '../support/log-capture.ts';
import { openRaw } from '../support/raw-client.ts';
import { connectResumable } from '../support/resume-client.ts';
import { deferred, until } from '../support/wait.ts';
import { assertLimited, assertNobodyIn } from './limits-scenario.ts';

const as = (user: string) => ({ headers: { 'x-user': user } });
/** The header says who it is. */
const byHeader: AuthenticateFunction = (request) => {
  const id = request.headers['x-user'];
  return typeof id === 'string' && { id, plan: 'gold' };
};

test('true and an object with an id let a client in; everything else is 401 with a code', async (t) => {
  const backend = await startBackend(t, { record: true });
  const answers: Record<string, unknown> = {
    true: true,
    object: { id: 'ann' },
    promise: Promise.resolve({ id: 'ann', more: 1 }),
    false: false,
    undefined: undefined,
    null: null,
    empty: '',
    text: 'ann',
    one: 1,
    list: ['ann'],
    'no id': { name: 'ann' },
    'empty id': { id: '' },
    'long id': { id: 'x'.repeat(257) },
    'number id': { id: 7 },
    'promise of no': Promise.resolve(false),
  };
  const authenticate = ((request) => answers[String(request.headers['x-user'])]) as AuthenticateFunction;
  const gateway = await startGateway(t, { backends: [backend.url], authenticate });
  for (const good of ['true', 'object', 'promise']) await connect(t, gateway.url, as(good));
  for (const bad of Object.keys(answers).slice(3)) {
    const refused = await connectRefused(t, gateway.url, as(bad));
    assert.equal(refused.status, 401, bad);
    assert.equal((JSON.parse(refused.body) as { code: string }).code, 'HOLDFAST_ERR_CLIENT_UNAUTHENTICATED');
    assert.ok(refused.headers['www-authenticate'], bad);
  }
  assert.equal((await connectRefused(t, gateway.url, { ...as('false'), protocols: ['holdfast.v1'] })).status, 401);
  assert.equal(gateway.manager.entrance.arriving, 0);
  assert.equal(backend.upgrades().length, 3, 'no backend heard of the others');
});

test('what it throws: a status from 400 to 499 is the answer, anything else is a 500 that says nothing; the log has it', async (t) => {
  const backend = await startBackend(t);
  const log = new LogCapture();
  const throws: Record<string, unknown> = {
    banned: Object.assign(new Error('You are banned.'), { statusCode: 403, code: 'BANNED' }),
    expired: Object.assign(new Error('Log in again.'), { statusCode: 401 }),
    broken: new Error('SECRET database address'),
    unavailable: Object.assign(new Error('SECRET'), { statusCode: 503 }),
    odd: 'SECRET text',
    teapot: Object.assign(new Error('SECRET'), { statusCode: 302 }),
  };
  const gateway = await startGateway(t, {
    fastify: { logger: { level: 'info', stream: log } },
    backends: [backend.url],
    authenticate: async (request) => {
      throw throws[String(request.headers['x-user'])];
    },
  });
  const answer = async (user: string) => {
    const { status, body } = await connectRefused(t, gateway.url, as(user));
    assert.ok(!body.includes('SECRET'), body);
    const { code, message } = JSON.parse(body) as { code: string; message: string };
    return { status, code, message };
  };
  assert.deepEqual(await answer('banned'), { status: 403, code: 'BANNED', message: 'You are banned.' });
  assert.deepEqual(await answer('expired'), {
    status: 401,
    code: 'HOLDFAST_ERR_CLIENT_UNAUTHENTICATED',
    message: 'Log in again.',
  });
  assert.equal(gateway.eventsOf('pipe.refused')[1]?.code, 'HOLDFAST_ERR_CLIENT_UNAUTHENTICATED');
  for (const user of ['broken', 'unavailable', 'odd', 'teapot']) {
    const { status, code } = await answer(user);
    assert.deepEqual([user, status, code], [user, 500, 'HOLDFAST_ERR_INTERNAL']);
  }
  assert.match(log.text, /SECRET database address/);
});

test('the principal is known to clientId, requestHeaders and onAttach, anew at each upgrade, and shown nowhere', async (t) => {
  const backend = await startBackend(t, { record: true });
  const log = new LogCapture();
  const attached: unknown[] = [];
  const gateway = await startGateway(t, {
    fastify: { logger: { level: 'trace', stream: log } },
    backends: [backend.url],
    authenticate: (request) => ({ id: 'ann', token: `SECRET-${request.headers['x-user']}` }),
    clientId: (_request, { principal }) => `${principal?.id}-browser`,
    requestHeaders: (headers, { principal }) => ({ ...headers, 'x-principal': String(principal?.['token']) }),
    onAttach: ({ pipe }) => void attached.push(pipe.principal),
  });
  const first = await connectResumable(t, gateway.url, as('one'));
  await until(() => backend.received().length === 1 && attached.length === 1);
  assert.equal(backend.received()[0]?.headers['x-principal'], 'SECRET-one');
  assert.deepEqual(attached, [{ id: 'ann', token: 'SECRET-one' }]);
  assert.equal(gateway.manager.pipes().pipes[0]?.clientId, 'ann-browser');
  first.client.terminate();
  const again = await connectResumable(t, gateway.url, { ...as('two'), resume: { ...first.welcome, received: 0 } });
  assert.equal(again.welcome.resumed, true);
  gateway.manager.interruptPipe(again.welcome.pipe);
  await gateway.waitFor('pipe.restored');
  await until(() => backend.received().length === 2);
  assert.equal(backend.received()[1]?.headers['x-principal'], 'SECRET-two');
  const { body } = await gateway.admin('GET', `/pipes/${again.welcome.pipe}`);
  assert.ok(!JSON.stringify(body).includes('SECRET'));
  assert.ok(!log.text.includes('SECRET'));
});

test('a token is worth nothing to another principal, and nobody takes the place of another\u2019s client', async (t) => {
  const backend = await startBackend(t);
  for (const onDuplicateClient of ['reject', 'replace'] as const) {
    const gateway = await startGateway(t, {
      backends: [backend.url],
      authenticate: byHeader,
      clientId: () => 'shared',
      onDuplicateClient,
    });
    const ann = await connectResumable(t, gateway.url, as('ann'));
    // Live, its id is refused to others; to ann herself as the option says.
    assert.equal((await connectRefused(t, gateway.url, as('bob'))).status, 409);
    ann.client.terminate();
    await gateway.waitFor('client.detached');
    const thief = await connect(t, gateway.url, { ...as('bob'), protocols: ['holdfast.v1'] });
    const resume = { pipe: ann.welcome.pipe, token: ann.welcome.token, received: 0 };
    thief.send(`\u001e${JSON.stringify({ type: 'start', resume })}`);
    assert.equal((await thief.waitClosed()).code, 4409);
    assert.equal((await gateway.waitFor('client.resume-refused')).reason, 'token');
    assert.equal((await connectRefused(t, gateway.url, as('bob'))).status, 409, 'away, its place is kept too');
    const back = await connectResumable(t, gateway.url, { ...as('ann'), resume });
    assert.equal(back.welcome.resumed, true);
    await gateway.close();
  }
});

test('one that is never answered gets 503 in time, its signal aborts, and the slot is free', async (t) => {
  const backend = await startBackend(t);
  const aborted: unknown[] = [];
  const gateway = await startGateway(t, {
    backends: [backend.url],
    limits: { hooksTimeoutMs: 200 },
    authenticate: (_request, { signal }) => {
      signal.addEventListener('abort', () => aborted.push((signal.reason as { code: string }).code));
      return new Promise<boolean>(() => {});
    },
  });
  const refused = await connectRefused(t, gateway.url);
  assert.equal(refused.status, 503);
  assert.equal((JSON.parse(refused.body) as { code: string }).code, 'HOLDFAST_ERR_HOOKS_TIMEOUT');
  assert.equal(refused.headers['retry-after'], '1');
  assert.deepEqual(aborted, ['HOLDFAST_ERR_HOOKS_TIMEOUT']);
  await assertLimited(gateway, 'hooks-time', 1);
  await assertNobodyIn(gateway);
});

for (const end of ['reset', 'fin'] as const) {
  test(`a client that leaves by ${end} while it is asked who it is: the signal aborts, the slot is free, no pipe comes of a late answer`, async (t) => {
    const backend = await startBackend(t, { record: true });
    const answer = deferred<boolean>();
    const aborted = deferred<string>();
    const gateway = await startGateway(t, {
      backends: [backend.url],
      limits: { maxPipes: 1 },
      authenticate: (_request, { signal }) => {
        signal.addEventListener('abort', () => aborted.resolve((signal.reason as { code: string }).code));
        return answer.promise;
      },
    });
    const client = await openRaw(t, { port: gateway.port, path: '/ws' });
    await until(() => gateway.manager.entrance.arriving === 1, { what: 'it to be asked' });
    client[end]();
    assert.equal(await aborted.promise, 'HOLDFAST_ERR_CLIENT_GONE');
    await assertNobodyIn(gateway);
    answer.resolve(true);
    const second = await connect(t, gateway.url);
    second.terminate();
    await assertNobodyIn(gateway);
    assert.equal(backend.upgrades().length, 1);
  });
}

test('what is no function is refused at the start', async (t) => {
  await assert.rejects(startGateway(t, { authenticate: 'token' as unknown as AuthenticateFunction }), {
    code: 'HOLDFAST_ERR_OPTIONS',
  });
});
