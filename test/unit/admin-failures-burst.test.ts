/** Many tries of one address at the same moment, pipelined or on many connections: no more may fail than one after the other. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import test from 'node:test';
import fastify, { type FastifyRequest } from 'fastify';
import admin from '../../plugins/admin.ts';
import { FakeTarget, token } from '../support/fake-admin-target.ts';
import { until } from '../support/wait.ts';

test('200 wrong tokens on one connection, without waiting for an answer: ten are tried', async (t) => {
  const app = fastify();
  t.after(() => app.close());
  await app.register(admin, { target: new FakeTarget(), admin: { auth: { tokens: [token] } } });
  const { port } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }));
  const socket = connect(Number(port), '127.0.0.1');
  t.after(() => socket.destroy());
  let text = '';
  socket.setEncoding('latin1').on('data', (more: string) => {
    text += more;
  });
  const one = (n: number) => `GET /backends HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer wrong-token-${n}\r\n\r\n`;
  socket.write(Array.from({ length: 200 }, (_none, n) => one(n)).join(''));
  const answers = () => [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status);
  await until(() => answers().length === 200);
  assert.equal(answers().filter((status) => status === '401').length, 10);
  assert.equal(answers().filter((status) => status === '429').length, 190);
});

test('with a hook that takes its time: as many are asked about as may fail, and who is right is never refused for being many', async (t) => {
  let asked = 0;
  const app = fastify();
  t.after(() => app.close());
  const auth = async ({ headers }: FastifyRequest) => {
    asked += 1;
    await new Promise((resolve) => setTimeout(resolve, 5));
    return headers.authorization === 'right' ? { name: 'ann' } : null;
  };
  await app.register(admin, { target: new FakeTarget(), admin: { auth, maxFailures: 4 } });
  const burst = async (authorization: string): Promise<number[]> => {
    const all = Array.from({ length: 100 }, () => app.inject({ url: '/backends', headers: { authorization } }));
    return (await Promise.all(all)).map(({ statusCode }) => statusCode);
  };
  assert.deepEqual(new Set(await burst('right')), new Set([200]));
  asked = 0;
  const statuses = await burst('wrong');
  assert.equal(statuses.filter((status) => status === 401).length, 4);
  assert.equal(statuses.filter((status) => status === 429).length, 96);
  assert.equal(asked, 4);
});
