import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { startGateway } from '../support/gateway.ts';
import { connectResumable } from '../support/resume-client.ts';
import { until } from '../support/wait.ts';
import { assertReached } from './limits-scenario.ts';

test('a client that lost its connection gets its own pipe, and what came meanwhile, on the same backend', async (t) => {
  const backend = await startBackend(t, { tag: 'a', record: true });
  const gateway = await startGateway(t, { backends: [backend.url] });
  const first = await connectResumable(t, gateway.url);
  assert.deepEqual([first.welcome.resumed, first.welcome.reason], [false, undefined]);
  first.send('one');
  await first.text('a:one');
  await first.control('ack', (ack) => ack['received'] === 1);
  first.client.terminate();
  await gateway.waitFor('client.detached');
  // The backend speaks while nobody is there.
  await backend.command({ do: 'send', data: 'meanwhile' });
  const { pipe, token } = first.welcome;
  const second = await connectResumable(t, gateway.url, { resume: { pipe, token, received: 0 } });
  assert.equal(second.welcome.resumed, true);
  assert.equal(second.welcome.pipe, pipe);
  assert.equal(second.welcome.received, 1);
  assert.notEqual(second.welcome.token, token);
  await second.text('meanwhile');
  second.send('two');
  await second.text('a:two');
  assert.deepEqual(second.texts, ['a:one', 'meanwhile', 'a:two']);
  assert.deepEqual(backend.receivedTexts(), ['one', 'two']);
  assert.equal(await backend.connections(), 1);
  assert.equal(gateway.manager.size, 1);
});

test('texts that begin with U+001E pass both ways', async (t) => {
  const backend = await startBackend(t, { record: true });
  const gateway = await startGateway(t, { backends: [backend.url] });
  const client = await connectResumable(t, gateway.url);
  client.send('\u001estrange');
  client.send('\u001e\u001estranger');
  await client.text('\u001e\u001estranger');
  assert.deepEqual(backend.receivedTexts(), ['\u001estrange', '\u001e\u001estranger']);
  assert.deepEqual(client.texts, ['\u001estrange', '\u001e\u001estranger']);
});

test('tokens: wrong ones and superseded ones never resume, the one before does until the client speaks', async (t) => {
  const backend = await startBackend(t);
  const gateway = await startGateway(t, { backends: [backend.url] });
  const first = await connectResumable(t, gateway.url);
  const { pipe, token } = first.welcome;
  first.client.terminate();
  const wrong = await connectResumable(t, gateway.url, {
    resume: { pipe, token: token.replace(/^./, (c) => (c === 'A' ? 'B' : 'A')), received: 0 },
  });
  assert.deepEqual([wrong.welcome.resumed, wrong.welcome.reason], [false, 'unknown'], 'as where there is none');
  const unknown = await connectResumable(t, gateway.url, { resume: { pipe: 'nobody', token, received: 0 } });
  assert.deepEqual([unknown.welcome.resumed, unknown.welcome.reason], [false, 'unknown']);
  const impossible = await connectResumable(t, gateway.url, { resume: { pipe, token, received: 7 } });
  assert.deepEqual([impossible.welcome.resumed, impossible.welcome.reason], [false, 'counts']);
  const elsewhere = await connectResumable(t, gateway.url, {
    resume: { pipe, token, received: 0 },
    headers: { origin: gateway.httpUrl },
  });
  assert.equal(elsewhere.welcome.resumed, false);
  // Cut between token change and the first message: the old token still counts, and the link that seems alive is ended.
  const second = await connectResumable(t, gateway.url, { resume: { pipe, token, received: 0 } });
  assert.deepEqual([second.welcome.resumed, second.welcome.reason], [true, undefined]);
  const third = await connectResumable(t, gateway.url, { resume: { pipe, token, received: 0 } });
  assert.equal(third.welcome.resumed, true);
  assert.equal((await second.client.waitClosed()).code, 4408);
  third.send('hello');
  await third.text('hello');
  third.client.terminate();
  const late = await connectResumable(t, gateway.url, { resume: { pipe, token, received: 0 } });
  assert.equal(late.welcome.resumed, false);
  const right = await connectResumable(t, gateway.url, { resume: { pipe, token: third.welcome.token, received: 1 } });
  assert.equal(right.welcome.resumed, true);
});

test('a failover while the client is there is told, and one while it is away loses nothing', async (t) => {
  const a = await startBackend(t, { tag: 'a', record: true });
  const gateway = await startGateway(t, { backends: [a.url] });
  const first = await connectResumable(t, gateway.url);
  first.send('one');
  await first.text('a:one');
  const b = await startBackend(t, { tag: 'b', record: true });
  gateway.manager.registerBackend({ url: b.url });
  await a.kill();
  await first.control('interrupted');
  await first.control('restored');
  first.client.terminate();
  await gateway.waitFor('client.detached');
  const c = await startBackend(t, { tag: 'c', record: true });
  gateway.manager.registerBackend({ url: c.url });
  await b.kill();
  await gateway.waitFor('pipe.restored', (event) => event.generation === 3);
  const second = await connectResumable(t, gateway.url, { resume: { ...first.welcome, received: first.texts.length } });
  assert.equal(second.welcome.resumed, true);
  second.send('two');
  await second.text('c:two');
});

test('the window ends: the pipe is closed and the backend told', async (t) => {
  const backend = await startBackend(t, { record: true });
  const gateway = await startGateway(t, { backends: [backend.url], resume: { windowMs: 150 } });
  const first = await connectResumable(t, gateway.url);
  first.client.terminate();
  const closed = await gateway.waitFor('pipe.closed');
  assert.equal(closed.reason, 'resume-window-over');
  await assertReached(gateway, 'holdfast_pipes_closed_total{reason="resume-window-over"}', 1);
  await until(() => backend.received()[0]?.closed?.code === 1001, { what: 'the Close at the backend' });
  const second = await connectResumable(t, gateway.url, { resume: { ...first.welcome, received: 0 } });
  assert.equal(second.welcome.resumed, false);
});
