/** Messages: what may come when, what is ignored, and how texts and control messages are told apart. */
import assert from 'node:assert/strict';
import { sleep } from '../../support/wait.ts';
import { type Control, mark, maxRecordBytes } from '../speaker.ts';
import { ackMs, echoes, isCount, LeftOut, patienceMs, type Rule, refusesAll } from '../trial.ts';

export const messages: readonly Rule[] = [
  {
    of: 'Messages',
    says: 'hello is the first message, with version 1 and the deadline for start',
    run: async (trial) => {
      const speaker = await trial.open();
      const first = await speaker.items.next();
      assert.equal(first.kind, 'control');
      const { type, version, deadlineMs } = (first as { message: Control }).message;
      assert.deepEqual([type, version], ['hello', 1]);
      assert.ok(isCount(deadlineMs) && deadlineMs !== 0, `deadlineMs ${deadlineMs}`);
    },
  },
  {
    of: 'Messages',
    says: 'nothing comes between hello and start',
    run: async (trial) => {
      const speaker = await trial.greeted();
      await sleep(150);
      assert.equal(speaker.items.all.length, 1);
    },
  },
  {
    of: 'Messages',
    says: 'welcome has all its keys, each of its kind',
    run: async (trial) => {
      const { welcome } = await trial.begun();
      assert.ok(typeof welcome.pipe === 'string' && welcome.pipe !== '');
      assert.equal(welcome.resumed, false);
      assert.equal(welcome.received, 0);
      assert.equal(typeof welcome.protocol, 'string');
      const { intervalMs, timeoutMs } = welcome.heartbeat;
      for (const count of [intervalMs, timeoutMs, welcome.resumeWindowMs, welcome.maxBufferBytes]) {
        assert.ok(isCount(count), JSON.stringify(welcome));
      }
      assert.ok(intervalMs === 0 || timeoutMs >= intervalMs);
      assert.ok(welcome.maxBufferBytes > 0);
    },
  },
  {
    of: 'Messages',
    says: 'start must come within deadlineMs, or the connection is closed with 4400',
    run: async (trial) => {
      const speaker = await trial.greeted();
      const deadlineMs = Number(speaker.controls[0]!['deadlineMs']);
      if (deadlineMs > patienceMs) throw new LeftOut(`deadlineMs is ${deadlineMs}`);
      const before = performance.now();
      assert.equal(await speaker.closeCode(deadlineMs + 3000), 4400);
      assert.ok(performance.now() - before > deadlineMs * 0.8 - 100, 'closed before the deadline');
    },
  },
  {
    of: 'Messages',
    says: 'a start that is wrong is answered with 4400',
    run: (trial) =>
      refusesAll(
        trial,
        [
          '{"type":"start"}',
          '{"type":"start","resume":true}',
          '{"type":"start","resume":{}}',
          '{"type":"start","resume":{"pipe":"a","token":"b"}}',
          '{"type":"start","resume":{"pipe":"a","token":"b","received":-1}}',
          '{"type":"start","resume":{"pipe":"a","token":"b","received":1.5}}',
          '{"type":"start","resume":{"pipe":7,"token":"b","received":1}}',
        ].map((text) => mark + text),
        false,
      ),
  },
  {
    of: 'Messages',
    says: 'whatever else comes before start is answered with 4400',
    run: async (trial) => {
      const wires = [
        'hello?',
        '',
        `${mark}${mark}escaped`,
        `${mark}{"type":"ping"}`,
        `${mark}{"type":"ack","received":0}`,
      ];
      await refusesAll(trial, wires, false);
      const binary = await trial.greeted();
      void binary.raw.sendBinary(Buffer.from('hello?'));
      assert.equal(await binary.closeCode(), 4400);
    },
  },
  {
    of: 'Messages',
    says: 'a message of the application between start and welcome is answered with 4400',
    run: async (trial) => {
      const speaker = await trial.greeted();
      speaker.raw.socket.cork();
      speaker.sendControl({ type: 'start', resume: null });
      speaker.send('too early');
      speaker.raw.socket.uncork();
      assert.equal(await speaker.closeCode(), 4400);
    },
  },
  {
    of: 'Messages',
    says: 'a second start is answered with 4400',
    run: (trial) => refusesAll(trial, [`${mark}{"type":"start","resume":null}`], true),
  },
  {
    of: 'Messages',
    says: 'a control message that is no JSON object with a type is answered with 4400',
    run: (trial) => refusesAll(trial, [mark, `${mark}nonsense`, `${mark}7`, `${mark}null`, `${mark}{"id":1}`], true),
  },
  {
    of: 'Messages',
    says: 'a control message of 8,192 bytes is read, one byte more is answered with 4400',
    run: async (trial) => {
      const padded = (bytes: number): string => {
        const bare = `${mark}{"type":"ping","id":1,"pad":""}`;
        return bare.replace('""', `"${'x'.repeat(bytes - bare.length)}"`);
      };
      const speaker = await trial.begun();
      speaker.sendWire(padded(maxRecordBytes));
      await speaker.control('pong');
      await refusesAll(trial, [padded(maxRecordBytes + 1)], true);
    },
  },
  {
    of: 'Messages',
    says: 'the bound of a control message does not hold for texts of the application that begin with U+001E',
    run: (trial) => echoes(trial, [mark + 'x'.repeat(2 * maxRecordBytes)]),
  },
  {
    of: 'Messages',
    says: 'unknown types are ignored, and not counted',
    run: async (trial) => {
      const speaker = await trial.begun();
      speaker.sendControl({ type: 'from-the-future', anything: [1, { two: 3 }] });
      speaker.sendControl({ type: 'toString' });
      speaker.sendControl({ type: '__proto__' });
      speaker.send('one');
      await speaker.text('one');
      assert.equal((await speaker.control('ack', undefined, ackMs))['received'], 1);
      assert.equal(speaker.received, 1);
    },
  },
  {
    of: 'Messages',
    says: 'types that only the gateway sends are ignored or refused, and never answered or passed on',
    run: async (trial) => {
      for (const type of ['hello', 'welcome', 'goaway', 'config', 'interrupted', 'restored']) {
        const speaker = await trial.begun();
        speaker.sendControl({ type, version: 1, received: 0 });
        await speaker.roundTrip().catch(() => {});
        assert.equal(speaker.received, 0);
      }
    },
  },
  {
    of: 'Messages',
    says: 'unknown keys are ignored',
    run: async (trial) => {
      const speaker = await trial.greeted();
      speaker.sendWire(`${mark}{"type":"start","resume":null,"new":{"key":1}}`);
      await speaker.control('welcome');
      speaker.sendControl({ type: 'ack', received: 0, soon: true });
      speaker.sendControl({ type: 'ping', id: 'x', sentAt: 12 });
      await speaker.control('pong', (pong) => pong['id'] === 'x');
    },
  },
  {
    of: 'Messages',
    says: 'a text of the application that begins with U+001E has one more on the wire, in both directions',
    run: (trial) =>
      echoes(trial, [mark, `${mark}text`, `${mark}${mark}two`, `${mark.repeat(5)}`, `${mark}{"type":"ping"}`]),
  },
  {
    of: 'Messages',
    says: 'U+001E is special as the first character of a text only',
    run: async (trial) => {
      await echoes(trial, ['', ' ', `a${mark}b`, `\u00e9${mark}`, 'x'.repeat(70_000) + mark]);
      const speaker = await trial.begun();
      const bytes = Buffer.from(`${mark}{"type":"ping"}`);
      void speaker.raw.sendBinary(bytes);
      await speaker.count(1);
      const item = speaker.items.all.at(-1)!;
      assert.ok(item.kind === 'binary' && item.data.equals(bytes), 'a binary message is left alone');
    },
  },
  {
    of: 'Messages',
    says: 'the first character is found in fragmented texts, also behind empty fragments and between pings',
    run: async (trial) => {
      const speaker = await trial.begun();
      const forms: string[][] = [
        [mark, mark, 'split'],
        ['', `${mark}${mark}empty first`],
        ['', '', mark, '', `${mark}late`, ''],
        ['', 'no mark', ` but ${mark} inside`],
        [`${mark}${mark}`, 'rest', ''],
        ['', ''],
      ];
      for (const [at, parts] of forms.entries()) {
        for (const [index, payload] of parts.entries()) {
          const fin = index === parts.length - 1;
          void speaker.raw.sendFrame({ opcode: index === 0 ? 'text' : 'continuation', fin, payload });
          if (!fin) void speaker.raw.ping(`${at}.${index}`);
        }
      }
      const wires = forms.map((parts) => parts.join(''));
      await speaker.count(forms.length);
      const expected = wires.map((wire) => (wire.startsWith(mark) ? wire.slice(1) : wire));
      assert.deepEqual(speaker.texts, expected);
    },
  },
  {
    of: 'Messages',
    says: 'ping is answered by pong with the same id, whatever number or string it is, or none',
    run: async (trial) => {
      const speaker = await trial.begun();
      const ids = [7, 0, -1.5, 1e300, Number.MAX_SAFE_INTEGER, '', 'text', '\u001e"\\\u00e9', 'x'.repeat(500)];
      for (const id of ids) {
        speaker.sendControl({ type: 'ping', id });
        await speaker.control('pong', (pong) => pong['id'] === id);
      }
      const before = speaker.controls.length;
      speaker.sendControl({ type: 'ping' });
      await speaker.items.waitFor(() => speaker.controls.length > before);
      assert.deepEqual(speaker.controls.at(-1), { type: 'pong' });
    },
  },
  {
    of: 'Messages',
    says: 'a pong that nobody asked for is ignored, and pings of WebSocket itself are answered',
    run: async (trial) => {
      const speaker = await trial.begun();
      speaker.sendControl({ type: 'pong', id: 'unasked' });
      speaker.sendControl({ type: 'pong' });
      void speaker.raw.ping('p');
      await speaker.raw.frames.waitFor((frame) => frame.opcode === 10 && frame.text === 'p');
      await speaker.roundTrip();
    },
  },
];
