import assert from 'node:assert/strict';
import test from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { until } from '../support/wait.ts';
import { assertNobodyJudged, moreAnswers } from './heartbeat-scenario.ts';

const ping = '{"type":"ping"}';
const pong = '{"type":"pong"}';

for (const json of ['auto', 'on', 'off'] as const) {
  for (const protocol of ['', 'chat.v2'] as const) {
    const ours = json === 'on' || (json === 'auto' && protocol === '');
    const sends = json === 'on';
    const name = `json: ${json} ${protocol === '' ? 'without' : 'with'} a subprotocol`;

    test(`${name}: a JSON ping of the client is ${ours ? 'answered by the gateway' : 'the application’s'}`, async (t) => {
      const gateway = await startGateway(t, {
        heartbeat: { client: { intervalMs: 200, json }, backend: { intervalMs: 0 } },
      });
      const backend = await startBackend(t, { tag: 'b', record: true });
      gateway.manager.registerBackend({ id: 'a', url: backend.url });
      const client = await connect(t, gateway.url, { protocols: protocol === '' ? [] : [protocol] });
      assert.equal(client.protocol, protocol);
      const theirs = () => client.texts.filter((text) => text !== ping);

      client.send(' { "type" : "ping" }\n');
      client.send('after it');
      await client.waitFor('b:after it');
      // The answer to a ping may overtake what goes through the backend, never the other way round.
      assert.deepEqual(theirs(), ours ? [pong, 'b:after it'] : ['b: { "type" : "ping" }\n', 'b:after it']);

      // Not exactly a ping: with more in it, in two frames, binary, too long.
      const others = ['{"type":"ping","id":1}', '{"type":"pings"}', `{"type":"ping"}${' '.repeat(64)}`];
      for (const other of others) client.send(other);
      client.ws.send('{"type":', { fin: false });
      client.ws.send('"ping"}', { fin: true });
      client.ws.send(Buffer.from(ping), { binary: true });
      client.send('the end');
      await client.waitFor('b:the end');
      const links = backend.received();
      assert.deepEqual(
        links[0]!.messages.slice(ours ? 1 : 2).map(({ type, text }) => text ?? type),
        [...others, ping, 'binary', 'the end'],
      );
      assertNobodyJudged(gateway);
    });

    test(`${name}: the gateway ${sends ? 'sends JSON pings too' : 'sends no JSON ping'}, and a pong is ${sends ? 'swallowed only as an answer' : 'the application’s'}`, async (t) => {
      const gateway = await startGateway(t, {
        heartbeat: { client: { intervalMs: 200, json }, backend: { intervalMs: 0 } },
      });
      const backend = await startBackend(t, { tag: 'b', record: true });
      gateway.manager.registerBackend({ id: 'a', url: backend.url });
      const client = await connect(t, gateway.url, { protocols: protocol === '' ? [] : [protocol] });
      const pings = () => client.texts.filter((text) => text === ping).length;
      const jsonAnswers = () => gateway.eventsOf('heartbeat.pong').filter(({ form }) => form === 'json').length;

      // Not answered yet: only one is out at a time.
      await moreAnswers(gateway, 'client', 2);
      assert.equal(pings(), sends ? 1 : 0);
      client.send(pong);
      client.send('mark');
      await client.waitFor('b:mark');
      assert.equal(jsonAnswers(), sends ? 1 : 0);
      if (sends) {
        await until(() => pings() === 2, { what: 'the next JSON ping' });
        client.send(pong);
        await until(() => jsonAnswers() === 2, { what: 'its answer to count' });
      }
      // Nobody asked for this one: it goes on. (Sent together with the answer, so that no ping of ours is out.)
      else client.send(pong);
      client.send('end');
      await client.waitFor('b:end');
      const texts = backend.received()[0]!.messages.map(({ text }) => text);
      assert.deepEqual(texts, sends ? ['mark', 'end'] : [pong, 'mark', pong, 'end']);
    });
  }
}

test('With json: on, a second pong to one JSON ping belongs to the application', async (t) => {
  const gateway = await startGateway(t, { heartbeat: { client: { intervalMs: 300, json: 'on' } } });
  const backend = await startBackend(t, { tag: 'b', record: true });
  gateway.manager.registerBackend({ id: 'a', url: backend.url });
  const client = await connect(t, gateway.url);
  await client.waitFor(ping);
  client.send(pong);
  client.send(pong);
  client.send('end');
  await client.waitFor('b:end');
  assert.deepEqual(
    backend.received()[0]!.messages.map(({ text }) => text),
    [pong, 'end'],
  );
});

test('What a backend sends is never touched, whatever it looks like', async (t) => {
  const gateway = await startGateway(t, { heartbeat: { client: { json: 'on' } } });
  const backend = await startBackend(t, { record: true });
  gateway.manager.registerBackend({ id: 'a', url: backend.url });
  const client = await connect(t, gateway.url);
  for (const data of [ping, pong, 'end']) await backend.command({ do: 'send', data });
  await client.waitFor('end');
  assert.deepEqual(client.texts.slice(-3), [ping, pong, 'end']);
  assert.deepEqual(backend.received()[0]!.messages, [], 'and the backend gets no answer');
});

test('A change to json reaches live links, both ways', async (t) => {
  const gateway = await startGateway(t, { heartbeat: { client: { intervalMs: 200, json: 'off' } } });
  const backend = await startBackend(t, { tag: 'b' });
  gateway.manager.registerBackend({ id: 'a', url: backend.url });
  const client = await connect(t, gateway.url);
  assert.equal((await client.ask(ping)).text, `b:${ping}`);
  assert.equal((await gateway.admin('PATCH', '/config/heartbeat', { client: { json: 'on' } })).status, 200);
  await client.waitFor(ping);
  client.send(ping);
  await client.waitFor(pong);
  assert.equal((await gateway.admin('PATCH', '/config/heartbeat', { client: { json: 'off' } })).status, 200);
  client.send(`${ping} `);
  await client.waitFor(`b:${ping} `);
});
