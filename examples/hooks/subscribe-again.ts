/**
 * A backend that sends what a client has subscribed to. After a failover `onAttach` subscribes again at the next one and takes its answer:
 * the client, which has had one, sees no second.
 *
 * `receive()` takes whatever the backend sends next, and what it takes is not passed on: so subscribe with one message, whose answer comes
 * before the first event. What the hook leaves goes to the client. The client's own message may be replayed as well: a subscription that is
 * there gets no second answer.
 *
 *   node --import tsx examples/hooks/subscribe-again.ts
 */
import { randomUUID } from 'node:crypto';
import { connect, startBackend, startGateway } from './stage.ts';

const backends = await Promise.all(
  ['first', 'second'].map((name) =>
    startBackend(name, ({ send, onMessage }) => {
      let subscribed = false;
      onMessage(({ type, topics }) => {
        if (type !== 'subscribe' || subscribed) return;
        subscribed = true;
        send({ type: 'subscribed', topics });
        let n = 0;
        const timer = setInterval(() => {
          n += 1;
          for (const topic of topics as string[]) send({ type: 'event', topic, from: name, n });
          if (n === 2) clearInterval(timer);
        }, 20);
      });
    }),
  ),
);

/** What each client wants. Here it is in the query of its upgrade; a REST call, or your database, would do. */
const topicsOf = new Map<string, string[]>();

const gateway = await startGateway({
  backends: backends.map(({ url }) => url),
  clientId(request) {
    const id = randomUUID();
    const { topics = '' } = request.query as { topics?: string };
    topicsOf.set(id, topics.split(','));
    return id;
  },
  async onAttach({ reason, pipe, send, receive }) {
    if (reason === 'open') return;
    send(JSON.stringify({ type: 'subscribe', topics: topicsOf.get(pipe.clientId) }));
    const answer = JSON.parse(String(await receive())) as { type: string };
    if (answer.type !== 'subscribed') throw new Error(`subscribing was answered with ${answer.type}`);
  },
});

const client = await connect(`${gateway.url}?topics=news,prices`);
client.send({ type: 'subscribe', topics: ['news', 'prices'] });
// One answer, and four events.
for (let left = 5; left > 0; left -= 1) await client.next();

console.log('the first backend crashes');
backends[0]!.crash();

for (let left = 4; left > 0; left -= 1) {
  const event = await client.next();
  if (event.type !== 'event' || event['from'] !== 'second') throw new Error(`not an event: ${JSON.stringify(event)}`);
}
console.log('the events go on, and the client saw one answer');

client.close();
await gateway.close();
backends[1]!.crash();
