/** Who may come back, to what, and what an operator sees and does meanwhile. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { countComparisons } from '../support/constant-time.ts';
import { startGateway } from '../support/gateway.ts';
import { startRawBackend } from '../support/raw-backend.ts';
import { connectResumable } from '../support/resume-client.ts';
import { sleep, until } from '../support/wait.ts';

const start = '\u001e{"type":"start","resume":null}';

test('a client id in use: a valid token is let in, a wrong one and none are refused with 4409', async (t) => {
  const backend = await startBackend(t);
  const gateway = await startGateway(t, {
    backends: [backend.url],
    clientId: (request) => String(request.headers['x-user']),
  });
  const ann = { headers: { 'x-user': 'ann' } };
  const first = await connectResumable(t, gateway.url, ann);
  const second = await connect(t, gateway.url, { protocols: ['holdfast.v1'], ...ann });
  second.send(start);
  assert.equal((await second.waitClosed()).code, 4409);
  const { pipe, token } = first.welcome;
  const thief = await connect(t, gateway.url, { protocols: ['holdfast.v1'], ...ann });
  const resume = { pipe, token: 'A'.repeat(43), received: 0 };
  const comparisons = countComparisons(t);
  thief.send(`\u001e${JSON.stringify({ type: 'start', resume })}`);
  assert.equal((await thief.waitClosed()).code, 4409);
  assert.equal(comparisons(), 1, 'in constant time');
  first.send('still there');
  await first.text('still there');
  // A phone that changed networks: its old connection still seems alive.
  const again = await connectResumable(t, gateway.url, { ...ann, resume: { pipe, token, received: 1 } });
  assert.equal(again.welcome.resumed, true);
  assert.equal((await first.client.waitClosed()).code, 4408);
  // The token is of no use to another client, and stays ann's.
  const bob = await connectResumable(t, gateway.url, {
    headers: { 'x-user': 'bob' },
    resume: { pipe, token: again.welcome.token, received: 1 },
  });
  assert.equal(bob.welcome.resumed, false);
  again.send('hello');
  await again.text('hello');
  assert.equal(gateway.manager.size, 2);
});

test('onDuplicateClient replace: the newer one takes the place of a detached one, and its token is worth nothing any more', async (t) => {
  const backend = await startBackend(t);
  const gateway = await startGateway(t, {
    backends: [backend.url],
    clientId: () => 'ann',
    onDuplicateClient: 'replace',
  });
  const first = await connectResumable(t, gateway.url);
  first.client.terminate();
  await gateway.waitFor('client.detached');
  const second = await connectResumable(t, gateway.url);
  assert.equal(second.welcome.resumed, false);
  assert.equal((await gateway.waitFor('pipe.closed')).reason, 'replaced');
  assert.equal(gateway.manager.size, 1);
});

test('limits.maxPipes: a full gateway refuses the new with 1013 and lets those with a token back in', async (t) => {
  const backend = await startBackend(t);
  const gateway = await startGateway(t, { backends: [backend.url], limits: { maxPipes: 2 } });
  const first = await connectResumable(t, gateway.url);
  await connectResumable(t, gateway.url);
  first.client.terminate();
  await gateway.waitFor('client.detached');
  // A detached pipe still counts.
  const third = await connect(t, gateway.url, { protocols: ['holdfast.v1'] });
  third.send(start);
  assert.equal((await third.waitClosed()).code, 1013);
  const again = await connectResumable(t, gateway.url, { resume: { ...first.welcome, received: 0 } });
  assert.equal(again.welcome.resumed, true);
  const over = await connectResumable(t, gateway.url, { resume: { ...again.welcome, received: 0 } });
  assert.equal(over.welcome.resumed, true, 'also while its old connection seems alive');
});

test('a detached pipe is listed, outlives the forced removal of its backend, and can be closed by the operator', async (t) => {
  const a = await startBackend(t, { record: true });
  const gateway = await startGateway(t, { backends: [{ url: a.url, id: 'a' }] });
  const first = await connectResumable(t, gateway.url);
  const other = await connectResumable(t, gateway.url);
  first.send('kept');
  await first.text('kept');
  first.client.terminate();
  await gateway.waitFor('client.detached');
  const { pipe } = first.welcome;
  const list = async () => {
    const { body } = await gateway.admin('GET', '/pipes?state=detached');
    return (body as { total: number; pipes: { id: string; state: string }[] }).pipes.map(
      (one) => `${one.id} ${one.state}`,
    );
  };
  assert.deepEqual(await list(), [`${pipe} detached`]);
  const b = await startBackend(t, { record: true, tag: 'b' });
  await gateway.admin('POST', '/backends', { url: b.url, id: 'b' });
  assert.equal((await gateway.admin('DELETE', '/backends/a?mode=force')).status, 204);
  await gateway.waitFor('pipe.restored', (event) => event.pipeId === pipe);
  assert.deepEqual(await list(), [`${pipe} detached`]);
  const second = await connectResumable(t, gateway.url, { resume: { ...first.welcome, received: 1 } });
  assert.equal(second.welcome.resumed, true);
  second.send('after');
  await second.text('b:after');
  second.client.terminate();
  await until(async () => (await list()).length === 1, { what: 'the pipe to be detached again' });
  assert.equal((await gateway.admin('DELETE', `/pipes/${pipe}`)).status, 204);
  await gateway.waitFor('pipe.closed', (event) => event.pipeId === pipe && event.reason === 'operator');
  const gone = await connectResumable(t, gateway.url, { resume: { ...second.welcome, received: 2 } });
  assert.equal(gone.welcome.resumed, false);
  other.send('untouched');
  await other.text('b:untouched');
  await until(() => b.received().some(({ closed }) => closed?.code === 1001), { what: 'the Close at the backend' });
});

test('a pipe that is closing is not resumed: the client gets a new session at once, and what it had sent still arrives', async (t) => {
  const backend = await startBackend(t, { record: true, echo: false });
  const gateway = await startGateway(t, { backends: [backend.url] });
  const first = await connectResumable(t, gateway.url);
  await backend.freeze();
  first.send('on its way');
  await until(() => gateway.manager.pipe(first.welcome.pipe).journal.messages === 1, {
    what: 'the message in the journal',
  });
  first.client.close(1000);
  await first.client.waitClosed();
  assert.equal(gateway.manager.pipe(first.welcome.pipe).state, 'closing');
  const connecting = connectResumable(t, gateway.url, { resume: { ...first.welcome, received: 0 } });
  await sleep(100);
  await backend.thaw();
  const second = await connecting;
  assert.equal(second.welcome.resumed, false);
  await gateway.waitFor('pipe.closed', (event) => event.pipeId === first.welcome.pipe && event.undelivered === 0);
  assert.deepEqual(backend.receivedTexts(), ['on its way']);
});

test('a client that comes back while there is no backend is told so, and told when there is one', async (t) => {
  const a = await startBackend(t, { tag: 'a', record: true });
  const gateway = await startGateway(t, { backends: [a.url] });
  const first = await connectResumable(t, gateway.url);
  first.send('one');
  await first.text('a:one');
  first.client.terminate();
  await gateway.waitFor('client.detached');
  await a.kill();
  await gateway.waitFor('pipe.interrupted');
  const second = await connectResumable(t, gateway.url, { resume: { ...first.welcome, received: 1 } });
  assert.equal(second.welcome.resumed, true);
  await second.control('interrupted');
  second.send('two');
  const b = await startBackend(t, { tag: 'b', record: true });
  gateway.manager.registerBackend({ url: b.url });
  await second.control('restored');
  await second.text('b:two');
  assert.deepEqual(b.receivedTexts().slice(-1), ['two']);
});

test('texts of a backend that begin with U+001E, in fragments and behind empty ones, reach both kinds of clients as they are', async (t) => {
  const backend = await startRawBackend(t, { autoPong: true, autoClose: true });
  const gateway = await startGateway(t, { backends: [backend.url] });
  const forms = [
    ['\u001e', '{"type":"goaway"}'],
    ['', '\u001e\u001e', 'two'],
    ['', '', '\u001e'],
    ['plain', '\u001einside'],
    ['', ''],
  ];
  const wanted = forms.map((parts) => parts.join(''));
  const speak = async () => {
    const link = await backend.acceptNext();
    for (const parts of forms) {
      for (const [at, payload] of parts.entries()) {
        await link.sendFrame({ opcode: at === 0 ? 'text' : 'continuation', fin: at === parts.length - 1, payload });
        await link.ping('between');
      }
    }
  };
  const speaking = speak();
  const resumable = await connectResumable(t, gateway.url);
  await speaking;
  await resumable.client.waitFor(() => resumable.texts.length >= forms.length);
  assert.deepEqual(resumable.texts, wanted);
  assert.deepEqual(new Set(resumable.controls.map(({ type }) => type)), new Set(['hello', 'welcome']));
  const speakingAgain = speak();
  const plain = await connect(t, gateway.url);
  await speakingAgain;
  await plain.received.count(forms.length);
  assert.deepEqual(plain.texts, wanted);
});

test('a plain client is untouched: no hello, no session, its texts that begin with U+001E go through', async (t) => {
  const backend = await startBackend(t, { record: true });
  const gateway = await startGateway(t, { backends: [backend.url] });
  const plain = await connect(t, gateway.url, { protocols: ['chat.v1'] });
  assert.equal(plain.protocol, 'chat.v1');
  const texts = [start, '\u001e\u001etwice', '\u001e', 'plain'];
  for (const text of texts) plain.send(text);
  await plain.received.count(texts.length);
  assert.deepEqual(plain.texts, texts);
  assert.deepEqual(backend.receivedTexts(), texts);
  const [live] = gateway.manager;
  assert.equal(live?.session, null);
  assert.equal(live?.downstream.journal, null);
  plain.terminate();
  assert.equal((await gateway.waitFor('pipe.closed')).reason, 'lost');
});
