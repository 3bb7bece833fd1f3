/**
 * Who shows a token may connect: a JWT (@fastify/jwt). A browser cannot set headers for a WebSocket, so the page fetches a ticket, a token
 * that is good for a few seconds and for this alone, and puts it into the query. The gateway keeps queries out of its log, but your backends
 * and the proxies in between see them: that is why it is not the token itself. Apps and servers send that as a header.
 *
 *   node --import tsx examples/auth-jwt/auth-jwt.ts
 */
import { randomBytes } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import jwt from '@fastify/jwt';
import Fastify, { type FastifyRequest } from 'fastify';
import holdfast from '../../src/index.ts';
import { connect, startBackend, statusOf } from '../auth-stage.ts';

type Payload = { readonly sub: string; readonly use: 'api' | 'ticket'; readonly roles?: readonly string[] };

declare module '@fastify/jwt' {
  interface FastifyJWT {
    payload: Payload;
    user: Payload;
  }
}

const ticketSeconds = 2;

const backend = await startBackend(({ headers }, { send, onMessage }) => {
  onMessage((text) => send(`${headers['x-user']} (${headers['x-roles']}): ${text}`));
});

const app = Fastify();
const iss = 'https://app.example.com';
const ticketOf = (request: FastifyRequest) => (request.query as { ticket?: string }).ticket;
await app.register(jwt, {
  secret: randomBytes(32).toString('hex'),
  verify: {
    allowedIss: iss,
    extractToken: (request) => ticketOf(request) ?? request.headers.authorization?.replace(/^Bearer /, ''),
  },
});

// Your login. Here everybody is ann.
app.post('/login', async () => ({
  token: app.jwt.sign({ sub: 'ann', use: 'api', roles: ['editor'] }, { iss, expiresIn: '1h' }),
}));
// With that token the page gets a ticket each time it connects.
app.post('/ticket', async (request, reply) => {
  const { sub, use, roles = [] } = await request.jwtVerify<Payload>();
  if (use !== 'api') return reply.code(403).send();
  return { ticket: app.jwt.sign({ sub, use: 'ticket', roles }, { iss, expiresIn: ticketSeconds }) };
});

await app.register(holdfast, {
  backends: [backend.url],
  admin: false,
  async authenticate(request) {
    if (ticketOf(request) === undefined && request.headers.authorization === undefined) return false;
    // Throws with status 401 where the token is forged or over: that is the answer then.
    const { sub, use, roles } = await request.jwtVerify<Payload>();
    // What is for one purpose is not good for another.
    if (use !== (ticketOf(request) === undefined ? 'api' : 'ticket')) return false;
    return { id: sub, roles };
  },
  requestHeaders: ({ authorization: _token, ...headers }, { principal }) => ({
    ...headers,
    'x-user': principal?.id ?? '',
    'x-roles': String(principal?.['roles'] ?? ''),
  }),
});
await app.listen({ port: 0, host: '127.0.0.1' });

const { port } = app.server.address() as AddressInfo;
const site = `http://127.0.0.1:${port}`;
const url = `ws://127.0.0.1:${port}/ws`;
const post = async <T>(path: string, headers: Record<string, string> = {}): Promise<T> =>
  (await (await fetch(`${site}${path}`, { method: 'POST', headers })).json()) as T;

console.log(`without a token: ${await statusOf(url)}`);
const { token } = await post<{ token: string }>('/login');
const forged = `${token.slice(0, -8)}AAAAAAAA`;
console.log(`with a forged one: ${await statusOf(url, { authorization: `Bearer ${forged}` })}`);
console.log(`the token in the place of a ticket: ${await statusOf(`${url}?ticket=${token}`)}`);

const device = await connect(url, { authorization: `Bearer ${token}` });
device.send('hello from an app');
console.log(await device.next());

const { ticket } = await post<{ ticket: string }>('/ticket', { authorization: `Bearer ${token}` });
const page = await connect(`${url}?ticket=${ticket}`, { origin: site });
page.send('hello from a page');
console.log(await page.next());

await new Promise((resolve) => setTimeout(resolve, (ticketSeconds + 1) * 1000));
console.log(`with a ticket that is over: ${await statusOf(`${url}?ticket=${ticket}`)}`);
page.send('the connection it opened goes on');
console.log(await page.next());

await app.close();
backend.close();
