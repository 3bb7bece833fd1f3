/**
 * A backend with a session per client, kept in a store that all backends share. With its 101 it leaves a ticket (`Holdfast-Ticket`), which
 * its successor gets as a request header and goes on with the same session. No hook is needed.
 *
 * It also shows how to make at-least-once exactly once: each message has a number, the session remembers the last one, and what a replay
 * brings again (`Holdfast-Replay` says how many at most) is not counted twice.
 *
 *   node --import tsx examples/hooks/resume-by-ticket.ts
 */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { connect, startBackend, startGateway } from './stage.ts';

interface Session {
  readonly items: string[];
  lastNumber: number;
}
/** Stands for Redis or a database: it outlives the backends. */
const store = new Map<string, Session>();
const tickets = new WeakMap<IncomingMessage, string>();

/** The predecessor's ticket, or a new one. */
function ticketOf(request: IncomingMessage): string {
  const known = tickets.get(request) ?? request.headers['holdfast-ticket'];
  const ticket = typeof known === 'string' && store.has(known) ? known : randomBytes(16).toString('base64url');
  if (!store.has(ticket)) store.set(ticket, { items: [], lastNumber: 0 });
  tickets.set(request, ticket);
  return ticket;
}

const backends = await Promise.all(
  ['first', 'second'].map((name) =>
    startBackend(
      name,
      ({ request, send, onMessage }) => {
        const session = store.get(ticketOf(request))!;
        const { 'holdfast-generation': generation, 'holdfast-replay': replay } = request.headers;
        console.log(`${name} backend: generation ${generation}, at most ${replay} messages again`);
        onMessage(({ number, item }) => {
          if ((number as number) > session.lastNumber) {
            session.items.push(String(item));
            session.lastNumber = number as number;
          } else {
            console.log(`${name} backend: number ${number} again, not counted`);
          }
          // The third item is taken in, and the backend is gone before it has answered.
          if (item === 'crash after this' && name === 'first') backends[0]!.crash();
          else send({ type: 'cart', backend: name, items: session.items });
        });
      },
      { headers: (request) => [`Holdfast-Ticket: ${ticketOf(request)}`] },
    ),
  ),
);

const gateway = await startGateway({ backends: backends.map(({ url }) => url) });
const client = await connect(gateway.url);
const items = ['apples', 'bread', 'crash after this'];
for (const [index, item] of items.entries()) {
  client.send({ type: 'add', number: index + 1, item });
  const cart = await client.next();
  if (index === 2) console.log(`the cart has ${(cart['items'] as string[]).length} items, each of them once`);
}

client.close();
await gateway.close();
backends[1]!.crash();
