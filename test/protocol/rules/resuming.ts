/** Rules 3 to 8: coming back to a session, tokens, and its end. */
import assert from 'node:assert/strict';
import { sleep } from '../../support/wait.ts';
import { mark, type Speaker } from '../speaker.ts';
import { ackMs, LeftOut, patienceMs, type Rule, resumption } from '../trial.ts';

export const resuming: readonly Rule[] = [
  {
    of: 'rule 3',
    says: 'after a resume the gateway sends again, in order, what is above received, then goes on',
    run: async (trial) => {
      const first = await trial.begun();
      const all = Array.from({ length: 9 }, (_, n) => `message ${n + 1}`);
      for (const text of all) first.send(text);
      await first.count(9);
      first.sendControl({ type: 'ack', received: 2 });
      await first.roundTrip();
      await first.cut();
      const second = await trial.begun(resumption(first, 4));
      assert.deepEqual([second.welcome.resumed, second.welcome.pipe], [true, first.welcome.pipe]);
      second.send('message 10');
      await second.text('message 10');
      assert.deepEqual(second.texts, [...all.slice(4), 'message 10']);
    },
  },
  {
    of: 'rule 3',
    says: 'welcome says what the client need not send again; counts go on over any number of resumes',
    run: async (trial) => {
      let present = await trial.begun();
      let received = 0;
      for (let round = 1; round <= 4; round += 1) {
        present.send(`a ${round}`);
        present.send(`b ${round}`);
        await present.text(`b ${round}`);
        received += present.received;
        await present.cut();
        present = await trial.begun(resumption(present, received));
        assert.deepEqual([present.welcome.resumed, present.welcome.received], [true, 2 * round]);
      }
      present.send('last');
      await present.control('ack', (ack) => ack['received'] === 9, ackMs);
      assert.deepEqual(present.texts, ['last']);
    },
  },
  {
    of: 'rule 3',
    says: 'kinds and texts that begin with U+001E are sent again as they were',
    run: async (trial) => {
      const first = await trial.begun();
      void first.raw.sendBinary(Buffer.from([0x1e, 1]));
      first.send(`${mark}{"type":"goaway"}`);
      first.send('');
      await first.count(3);
      await first.cut();
      const second = await trial.begun(resumption(first, 0));
      await second.count(3);
      const items = second.items.all.filter(({ kind }) => kind !== 'control');
      assert.ok(items[0]?.kind === 'binary' && items[0].data.equals(Buffer.from([0x1e, 1])));
      assert.deepEqual(second.texts, [`${mark}{"type":"goaway"}`, '']);
    },
  },
  {
    of: 'rule 4',
    says: 'a wrong token, an unknown pipe: a new session with another pipe and its own counts',
    run: async (trial) => {
      const first = await trial.begun();
      first.send('one');
      await first.count(1);
      await first.cut();
      const { token, pipe } = first.welcome;
      const other = `${token.startsWith('A') ? 'B' : 'A'}${token.slice(1)}`;
      for (const resume of [
        resumption(first, 1, other),
        resumption(first, 1, ''),
        { pipe: 'nobody', token, received: 1 },
      ]) {
        const { welcome } = await trial.begun(resume);
        assert.deepEqual([welcome.resumed, welcome.received], [false, 0], JSON.stringify(resume));
        assert.notEqual(welcome.pipe, pipe);
        assert.notEqual(welcome.token, token);
      }
      assert.equal((await trial.begun(resumption(first, 1))).welcome.resumed, true, 'and the right one still resumes');
    },
  },
  {
    of: 'rule 4',
    says: 'a resume that cannot be complete is refused as a whole',
    run: async (trial) => {
      const first = await trial.begun();
      for (const text of ['one', 'two', 'three']) first.send(text);
      await first.count(3);
      first.sendControl({ type: 'ack', received: 2 });
      await first.roundTrip();
      await first.cut();
      for (const received of [4, 1, 0, Number.MAX_SAFE_INTEGER]) {
        const { welcome } = await trial.begun(resumption(first, received));
        assert.equal(welcome.resumed, false, `received ${received}`);
        assert.equal(welcome.reason, 'counts');
      }
      const right = await trial.begun(resumption(first, 2));
      assert.equal(right.welcome.resumed, true);
      await right.text('three');
    },
  },
  {
    of: 'rule 5',
    says: 'a token is 32 bytes in base64url, and each welcome carries a new one',
    run: async (trial) => {
      const first = await trial.begun();
      await first.cut();
      const second = await trial.begun(resumption(first, 0));
      const third = await trial.begun();
      const tokens = [first, second, third].map(({ welcome }) => welcome.token);
      for (const token of tokens) assert.match(token, /^[A-Za-z0-9_-]{43}$/);
      assert.equal(new Set(tokens).size, 3);
    },
  },
  {
    of: 'rule 5',
    says: 'the token before stays valid until the first message after the welcome, however often that is cut',
    run: async (trial) => {
      const first = await trial.begun();
      await first.cut();
      for (let cut = 0; cut < 4; cut += 1) {
        const lost = await trial.begun(resumption(first, 0));
        assert.equal(lost.welcome.resumed, true, `attempt ${cut + 1} with the first token`);
        await lost.cut();
      }
    },
  },
  {
    of: 'rule 5',
    says: 'a token that was used and never spoken with resumes again after its successor was lost',
    run: async (trial) => {
      const first = await trial.begun();
      await first.cut();
      const second = await trial.begun(resumption(first, 0));
      await second.cut();
      const third = await trial.begun(resumption(second, 0));
      assert.equal(third.welcome.resumed, true);
      await third.cut();
      const again = await trial.begun(resumption(second, 0));
      assert.equal(again.welcome.resumed, true, 'the welcome of the third was lost');
    },
  },
  {
    of: 'rule 5',
    says: 'a superseded token never resumes once the client has spoken',
    run: async (trial) => {
      for (const speak of [
        (one: Speaker) => one.send('hello'),
        (one: Speaker) => one.sendControl({ type: 'ping' }),
        (one: Speaker) => one.sendControl({ type: 'ack', received: 0 }),
      ]) {
        const first = await trial.begun();
        await first.cut();
        const second = await trial.begun(resumption(first, 0));
        speak(second);
        await second.roundTrip();
        await second.cut();
        assert.equal((await trial.begun(resumption(first, 0))).welcome.resumed, false);
        assert.equal((await trial.begun(resumption(second, 0))).welcome.resumed, true);
      }
    },
  },
  {
    of: 'rule 5',
    says: 'a token is bound to the Origin of the request',
    run: async (trial) => {
      // The own page may connect anywhere; others are turned away unless the gateway lets them in.
      const own = new URL(trial.rig.url).origin.replace(/^ws/, 'http');
      const here = { headers: { origin: own } };
      const first = await trial.begun(null, here);
      await first.cut();
      assert.equal((await trial.begun(resumption(first, 0), { headers: {} })).welcome.resumed, false);
      assert.equal((await trial.begun(resumption(first, 0), here)).welcome.resumed, true);
    },
  },
  {
    of: 'rule 6',
    says: 'a valid resume ends an older connection that seems alive with 4408, and throws its unfinished message away',
    run: async (trial) => {
      const first = await trial.begun();
      first.send('one');
      await first.count(1);
      void first.raw.sendFrame({ opcode: 'text', payload: 'two, of which', declaredLength: 40 });
      void first.raw.sendBytes(Buffer.alloc(7));
      await sleep(50);
      const second = await trial.begun(resumption(first, 1));
      assert.deepEqual([second.welcome.resumed, second.welcome.received], [true, 1]);
      assert.equal(await first.closeCode(), 4408);
      second.send('two, whole');
      await second.text('two, whole');
      assert.deepEqual(second.texts, ['two, whole']);
      await second.control('ack', (ack) => ack['received'] === 2, ackMs);
    },
  },
  {
    of: 'rule 6',
    says: 'a start that comes behind one with a higher attempt ends with 4408, and takes nothing from it, spoken or not',
    run: async (trial) => {
      const first = await trial.begun();
      const late = [await trial.greeted(), await trial.greeted()];
      await first.cut();
      const second = await trial.begun({ ...resumption(first, 0), attempt: 3 });
      for (const speaker of late) {
        speaker.sendControl({ type: 'start', resume: { ...resumption(first, 0), attempt: 2 } });
        assert.equal(await speaker.closeCode(), 4408);
        assert.equal(speaker.controls.length, 1, 'no welcome');
        second.send('here');
        await second.count(late.indexOf(speaker) + 1);
      }
      await second.cut();
      const third = await trial.begun({ ...resumption(second, 2), attempt: 4 });
      assert.equal(third.welcome.resumed, true);
      await third.cut();
      // It has read the last welcome, and may have forgotten what it counted.
      const anew = await trial.begun({ ...resumption(third, 2), attempt: 1 });
      assert.equal(anew.welcome.resumed, true, 'with the newest token, whatever its number');
    },
  },
  {
    of: 'rule 6',
    says: 'of two resumes at once with one token both are answered and one is left',
    run: async (trial) => {
      const first = await trial.begun();
      await first.cut();
      const [a, b] = await Promise.all([trial.begun(resumption(first, 0)), trial.begun(resumption(first, 0))]);
      assert.ok(a.welcome.resumed && b.welcome.resumed);
      const ended = await Promise.race([a.closeCode().then(() => a), b.closeCode().then(() => b)]);
      const left = ended === a ? b : a;
      assert.equal(await ended.closeCode(), 4408);
      left.send('here');
      await left.text('here');
    },
  },
  {
    of: 'rule 7',
    says: 'what comes for a client that is away is kept for it',
    run: async (trial) => {
      const first = await trial.begun();
      const texts = Array.from({ length: 50 }, (_, n) => `${n} ${'x'.repeat(500)}`);
      first.raw.pause();
      for (const text of texts) first.send(text);
      await sleep(100);
      await first.cut();
      const second = await trial.begun(resumption(first, 0));
      // A reset may overtake what was on its way up.
      const { received } = second.welcome;
      for (const text of texts.slice(received)) second.send(text);
      await second.count(50);
      assert.deepEqual(second.texts, texts);
    },
  },
  {
    of: 'rule 7',
    says: 'after resumeWindowMs the session is over',
    run: async (trial) => {
      const first = await trial.begun();
      const { resumeWindowMs } = first.welcome;
      if (resumeWindowMs > patienceMs) throw new LeftOut(`resumeWindowMs is ${resumeWindowMs}`);
      await first.cut();
      await sleep(resumeWindowMs + 500);
      assert.equal((await trial.begun(resumption(first, 0))).welcome.resumed, false);
    },
  },
  {
    of: 'rule 8',
    says: 'a Close from the client is answered, and ends the session at once',
    run: async (trial) => {
      for (const code of [1000, 4321, undefined]) {
        const first = await trial.begun();
        void first.raw.sendClose(code);
        assert.equal(await first.closeCode(), code ?? 1005);
        assert.equal((await trial.begun(resumption(first, 0))).welcome.resumed, false);
      }
    },
  },
  {
    of: 'rule 8',
    says: 'a FIN or a reset without a Close does not end it',
    run: async (trial) => {
      const first = await trial.begun();
      first.raw.fin();
      await first.raw.waitClosed();
      const second = await trial.begun(resumption(first, 0));
      assert.equal(second.welcome.resumed, true);
      await second.cut();
      assert.equal((await trial.begun(resumption(second, 0))).welcome.resumed, true);
    },
  },
  {
    of: 'Close codes',
    says: 'breaking RFC 6455 is answered with 1002, and ends the session',
    run: async (trial) => {
      const first = await trial.begun();
      void first.raw.sendFrame({ payload: 'unmasked', mask: false });
      assert.equal(await first.closeCode(), 1002);
      assert.equal((await trial.begun(resumption(first, 0))).welcome.resumed, false);
    },
  },
];
