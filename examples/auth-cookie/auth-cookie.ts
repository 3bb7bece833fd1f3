/**
 * Who is logged in may connect: a session by cookie (@fastify/cookie, @fastify/session). The browser sends the cookie with the upgrade by
 * itself, also when a page of another site asks it to: `allowedOrigins` refuses those, and so has to stay at its default or name your own.
 * The backends get the user's name, never the cookie. Logging out closes what is open.
 *
 *   node --import tsx examples/auth-cookie/auth-cookie.ts
 */
import type { AddressInfo } from 'node:net';
import cookie from '@fastify/cookie';
import session from '@fastify/session';
import Fastify from 'fastify';
import holdfast from '../../src/index.ts';
import { connect, startBackend, statusOf } from '../auth-stage.ts';

declare module 'fastify' {
  interface Session {
    user?: string;
  }
}

const passwords: Readonly<Record<string, string>> = { ann: 'correct horse battery staple' };

const backend = await startBackend(({ headers }, { send, onMessage }) => {
  onMessage((text) => send(`${headers['x-user']}: ${text}, cookie: ${headers['cookie'] ?? 'none'}`));
});

const app = Fastify();
await app.register(cookie);
await app.register(session, {
  secret: 'at least 32 characters, from your own configuration',
  // In your app `secure: true`: over TLS only. SameSite keeps most of it from other sites already; Origin is what is sure.
  cookie: { httpOnly: true, sameSite: 'lax', secure: false },
  saveUninitialized: false,
});
app.post('/login', async (request, reply) => {
  const { user, password } = request.body as { user: string; password: string };
  if (passwords[user] === undefined || passwords[user] !== password) return reply.code(401).send();
  await request.session.regenerate();
  request.session.user = user;
  return { user };
});
app.post('/logout', async (request) => {
  const { user } = request.session;
  await request.session.destroy();
  const order = { code: 4401, reason: 'logged out' };
  return user === undefined ? { closed: 0 } : app.pipeManager.closePrincipal(user, order);
});
await app.register(holdfast, {
  backends: [backend.url],
  admin: false,
  // Nothing but the session counts, and it is asked again when a client comes back.
  authenticate: ({ session: { user } }) => user !== undefined && { id: user },
  requestHeaders: ({ cookie: _cookie, 'x-user': _claimed, ...headers }, { principal }) => ({
    ...headers,
    'x-user': principal?.id ?? '',
  }),
});
await app.listen({ port: 0, host: '127.0.0.1' });

// What a browser does.
const { port } = app.server.address() as AddressInfo;
const site = `http://127.0.0.1:${port}`;
const url = `ws://127.0.0.1:${port}/ws`;
const post = (path: string, headers: Record<string, string>, body: object) =>
  fetch(`${site}${path}`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });

console.log(`without a session: ${await statusOf(url, { origin: site })}`);
const wrong = await post('/login', {}, { user: 'ann', password: 'guess' });
console.log(`with a wrong password: ${wrong.status}`);

const login = await post('/login', {}, { user: 'ann', password: passwords['ann'] });
const cookies = login.headers.getSetCookie().map((one) => one.split(';', 1)[0]);
const ann = { cookie: cookies.join('; ') };
console.log(
  `ann's browser on a page of another site: ${await statusOf(url, { ...ann, origin: 'https://evil.example' })}`,
);

const client = await connect(url, { ...ann, origin: site, 'x-user': 'root' });
client.send('hello');
console.log(await client.next());

const logout = await post('/logout', ann, {});
console.log(`logged out, connections closed: ${((await logout.json()) as { closed: number }).closed}`);
console.log(`closed with ${await client.closed}`);
console.log(`with the old cookie: ${await statusOf(url, { ...ann, origin: site })}`);

await app.close();
backend.close();
