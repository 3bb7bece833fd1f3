/**
 * A backend that wants a login as the first message. After a failover the next one has never heard of the client: `onAttach` logs in again
 * in its name, before anything else goes there, and takes the answer, so that the client sees none of it.
 *
 * The client's own login is among the messages that a replay may send again, if the backend died before it was known to have arrived: so
 * a login of somebody who is logged in gets no second answer.
 *
 *   node --import tsx examples/hooks/login-again.ts
 */
import { connect, startBackend, startGateway } from './stage.ts';

const users: Readonly<Record<string, string>> = { 'ticket-of-ann': 'ann' };

const backends = await Promise.all(
  ['first', 'second'].map((name) =>
    startBackend(name, ({ send, onMessage }) => {
      let user: string | undefined;
      onMessage((message) => {
        if (message.type === 'login') {
          if (user !== undefined) return;
          user = users[String(message['token'])];
          send(user === undefined ? { type: 'refused' } : { type: 'hello', user });
        } else if (user === undefined) {
          send({ type: 'error', reason: 'log in first' });
        } else {
          send({ type: 'answer', user, backend: name, to: message['text'] });
        }
      });
    }),
  ),
);

const gateway = await startGateway({
  backends: backends.map(({ url }) => url),
  async onAttach({ reason, pipe, send, receive }) {
    // The first time the client does it itself.
    if (reason === 'open') return;
    // What it logged in with came with its upgrade request as well; your own session store would do.
    send(JSON.stringify({ type: 'login', token: pipe.headers['x-login-token'] }));
    const answer = JSON.parse(String(await receive())) as { type: string };
    // A rejection is a failed attempt: the pipe goes on to the next backend.
    if (answer.type !== 'hello') throw new Error(`the login was answered with ${answer.type}`);
  },
});

const client = await connect(gateway.url, { 'x-login-token': 'ticket-of-ann' });
client.send({ type: 'login', token: 'ticket-of-ann' });
await client.next();
client.send({ type: 'say', text: 'one' });
await client.next();

console.log('the first backend crashes');
backends[0]!.crash();

client.send({ type: 'say', text: 'two' });
let answer = await client.next();
// "one" may be answered again: at least once.
while (answer['to'] !== 'two') answer = await client.next();
console.log(`still ${String(answer['user'])}, now at the ${String(answer['backend'])} backend`);

client.close();
await gateway.close();
backends[1]!.crash();
