/**
 * What docs/PROTOCOL.md says of holdfast.v1, rule by rule, to be tried against any gateway with an echo backend behind it. A rule throws
 * where the gateway breaks it.
 */
import assert from 'node:assert/strict';
import { sleep } from '../support/wait.ts';
import {
  type Control,
  mark,
  maxRecordBytes,
  type OpenOptions,
  protocolName,
  type Resumption,
  Speaker,
  type Welcome,
} from './speaker.ts';

/** The gateway under test, and what else the tester may do to it. */
export interface Rig {
  readonly url: string;
  /** Of the admin API; null = those rules are left out. */
  readonly admin: ((method: string, path: string, body?: object) => Promise<number>) | null;
  /** Makes the gateway restart or end gracefully; null = left out. Called once, by the last rule. */
  readonly stop: (() => void | Promise<void>) | null;
}

/** One run of one rule. */
export class Trial {
  readonly rig: Rig;
  readonly #speakers: Speaker[] = [];
  readonly #ends: (() => void)[] = [];

  constructor(rig: Rig) {
    this.rig = rig;
  }

  after(fn: () => void): void {
    this.#ends.push(fn);
  }

  open = (options?: OpenOptions): Promise<Speaker> => this.#keep(Speaker.open(this, this.rig.url, options));
  greeted = (options?: OpenOptions): Promise<Speaker> => this.#keep(Speaker.greeted(this, this.rig.url, options));
  begun = (resume: Resumption | null = null, options?: OpenOptions): Promise<Speaker & { readonly welcome: Welcome }> =>
    this.#keep(Speaker.begun(this, this.rig.url, resume, options));

  /** Ends the connections. @throws what no gateway may send. */
  end(): void {
    for (const end of this.#ends) end();
    const faults = this.#speakers.flatMap((one) => one.faults);
    assert.deepEqual(faults, [], 'the gateway sent what it must not');
  }

  async #keep<T extends Speaker>(speaker: Promise<T>): Promise<T> {
    this.#speakers.push(await speaker);
    return speaker;
  }
}

/** Thrown by a rule that this gateway's settings make too slow to try. */
class LeftOut extends Error {}

export interface Rule {
  /** The part of PROTOCOL.md, or the number of its rule. */
  readonly of: string;
  readonly says: string;
  /** What the tester must be able to do. */
  readonly needs?: 'admin' | 'stop';
  run(trial: Trial): Promise<void>;
}

/** A gateway acknowledges what a barrier has covered: 100 ms, a round trip, and room for a slow machine. */
const ackMs = 2000;
/** Longest deadline or window a rule waits for. */
const patienceMs = 12_000;

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const resumption = ({ welcome }: { welcome: Welcome }, received: number, token = welcome.token): Resumption => ({
  pipe: welcome.pipe,
  token,
  received,
});

/** Each of these must end the connection with 4400. */
async function refusesAll(trial: Trial, wires: readonly string[], begin: boolean): Promise<void> {
  for (const wire of wires) {
    const speaker = begin ? await trial.begun() : await trial.greeted();
    speaker.sendWire(wire);
    assert.equal(await speaker.closeCode(), 4400, `after ${JSON.stringify(wire.slice(0, 60))}`);
  }
}

/** Sent by a fresh session and echoed, each of these comes back as it went. */
async function echoes(trial: Trial, texts: readonly string[]): Promise<void> {
  const speaker = await trial.begun();
  for (const text of texts) speaker.send(text);
  await speaker.count(texts.length);
  assert.deepEqual(speaker.texts, texts);
  const wires = speaker.items.all.flatMap((item) => (item.kind === 'text' ? [item.wire] : []));
  assert.deepEqual(
    wires,
    texts.map((text) => (text.startsWith(mark) ? mark + text : text)),
  );
}

const negotiation: Rule[] = [
  {
    of: 'Negotiation',
    says: 'holdfast.v1 is chosen when it is offered alone',
    run: async (trial) => assert.equal((await trial.open()).protocol, protocolName),
  },
  {
    of: 'Negotiation',
    says: 'holdfast.v1 is chosen when it is offered after the subprotocols of the application, wherever it stands',
    run: async (trial) => {
      assert.equal((await trial.open({ protocols: ['chat.v2', 'chat.v1', protocolName] })).protocol, protocolName);
      assert.equal((await trial.open({ protocols: [protocolName, 'chat.v1'] })).protocol, protocolName);
    },
  },
  {
    of: 'Negotiation',
    says: 'welcome tells which of the other subprotocols the backend chose, or none',
    run: async (trial) => {
      const { welcome } = await trial.begun(null, { protocols: ['chat.v1', protocolName] });
      assert.ok(['', 'chat.v1'].includes(welcome.protocol), welcome.protocol);
      assert.equal((await trial.begun()).welcome.protocol, '');
    },
  },
  {
    of: 'Negotiation',
    says: 'a client that does not offer it sees nothing of it: no hello, and its texts pass untouched',
    run: async (trial) => {
      const plain = await trial.open({ protocols: [] });
      assert.equal(plain.protocol, '');
      const texts = [`${mark}{"type":"start","resume":null}`, `${mark}${mark}twice`, mark, 'last'];
      for (const text of texts) plain.sendWire(text);
      await plain.count(texts.length);
      assert.deepEqual(plain.texts, texts);
    },
  },
];

const messages: Rule[] = [
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

const counting: Rule[] = [
  {
    of: 'rule 1',
    says: 'messages of the application are counted from 1, whatever their kind and fragments; control messages are not',
    run: async (trial) => {
      const speaker = await trial.begun();
      speaker.send('one');
      speaker.sendControl({ type: 'ping', id: 1 });
      void speaker.raw.sendBinary(Buffer.from([2]));
      void speaker.raw.sendFrame({ opcode: 'text', fin: false, payload: 'th' });
      void speaker.raw.sendFrame({ opcode: 'continuation', payload: 'ree' });
      speaker.send(`${mark}four`);
      speaker.send('');
      await speaker.control('ack', (ack) => ack['received'] === 5, ackMs);
      const acks = speaker.controls.filter(({ type }) => type === 'ack').map((ack) => Number(ack['received']));
      assert.deepEqual(
        acks,
        [...new Set(acks)].sort((a, b) => a - b),
        'acks rise',
      );
      await speaker.count(5);
    },
  },
  {
    of: 'rule 1',
    says: 'a message that was cut by a lost connection was not received',
    run: async (trial) => {
      const first = await trial.begun();
      first.send('one');
      first.send('two');
      await first.count(2);
      void first.raw.sendFrame({ opcode: 'text', payload: 'half', declaredLength: 400 });
      void first.raw.ping();
      await sleep(50);
      await first.cut();
      const second = await trial.begun(resumption(first, 2));
      assert.deepEqual([second.welcome.resumed, second.welcome.received], [true, 2]);
      second.send('three');
      await second.text('three');
      assert.deepEqual(second.texts, ['three']);
    },
  },
  {
    of: 'rule 1',
    says: 'of a fragmented message all fragments must have come',
    run: async (trial) => {
      const first = await trial.begun();
      void first.raw.sendFrame({ opcode: 'text', fin: false, payload: 'not ' });
      void first.raw.sendFrame({ opcode: 'continuation', fin: false, payload: 'the ' });
      void first.raw.ping('inside');
      await first.raw.frames.waitFor((frame) => frame.opcode === 10 && frame.text === 'inside');
      await first.cut();
      const second = await trial.begun(resumption(first, 0));
      assert.deepEqual([second.welcome.resumed, second.welcome.received], [true, 0]);
    },
  },
  {
    of: 'rule 2',
    says: 'the gateway acknowledges every message by itself, and never more than was sent',
    run: async (trial) => {
      const speaker = await trial.begun();
      for (let n = 1; n <= 200; n += 1) speaker.send(`${n} ${'x'.repeat(1000)}`);
      await speaker.control('ack', (ack) => ack['received'] === 200, ackMs);
      for (const ack of speaker.controls.filter(({ type }) => type === 'ack'))
        assert.ok(Number(ack['received']) <= 200);
    },
  },
  {
    of: 'rule 2',
    says: 'what the gateway has received and acknowledged while the connection was lost is acknowledged after the resume',
    run: async (trial) => {
      const first = await trial.begun();
      first.send('one');
      await first.count(1);
      await first.cut();
      await sleep(400);
      const second = await trial.begun(resumption(first, 1));
      assert.equal(second.welcome.received, 1);
      await second.control('ack', (ack) => ack['received'] === 1, ackMs);
    },
  },
  {
    of: 'rule 2',
    says: 'the client may acknowledge late, in one, or twice the same',
    run: async (trial) => {
      const speaker = await trial.begun();
      for (const text of ['one', 'two', 'three']) speaker.send(text);
      await speaker.count(3);
      for (const received of [0, 1, 1, 3, 2]) speaker.sendControl({ type: 'ack', received });
      await speaker.roundTrip();
    },
  },
  {
    of: 'rule 2',
    says: 'an ack of more than was sent is answered with 4400',
    run: async (trial) => {
      await refusesAll(trial, [`${mark}{"type":"ack","received":1}`], true);
      const speaker = await trial.begun();
      speaker.send('one');
      await speaker.count(1);
      speaker.sendControl({ type: 'ack', received: 2 });
      assert.equal(await speaker.closeCode(), 4400);
    },
  },
  {
    of: 'rule 2',
    says: 'an ack that is no count is answered with 4400',
    run: (trial) =>
      refusesAll(
        trial,
        [
          '{"type":"ack"}',
          '{"type":"ack","received":-1}',
          '{"type":"ack","received":0.5}',
          '{"type":"ack","received":"0"}',
        ].map((text) => mark + text),
        true,
      ),
  },
];

const resuming: Rule[] = [
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

const operator: Rule[] = [
  {
    of: 'Messages',
    says: 'config tells a changed heartbeat to every client',
    needs: 'admin',
    run: async (trial) => {
      const speaker = await trial.begun();
      const { intervalMs, timeoutMs } = speaker.welcome.heartbeat;
      const other = { intervalMs: 20_000, timeoutMs: 61_000 };
      assert.equal(await trial.rig.admin!('PATCH', '/config/heartbeat', { client: other }), 200);
      const config = await speaker.control('config');
      assert.deepEqual(config['heartbeat'], other);
      assert.deepEqual((await trial.begun()).welcome.heartbeat, other);
      await trial.rig.admin!('PATCH', '/config/heartbeat', { client: { intervalMs, timeoutMs } });
    },
  },
  {
    of: 'Messages',
    says: 'interrupted, then restored, tell of a lost backend; what is sent meanwhile is kept',
    needs: 'admin',
    run: async (trial) => {
      const speaker = await trial.begun();
      speaker.send('before');
      await speaker.text('before');
      assert.equal(await trial.rig.admin!('POST', `/pipes/${speaker.welcome.pipe}/interrupt`), 202);
      speaker.send('meanwhile');
      const interrupted = await speaker.control('interrupted');
      assert.equal(typeof interrupted['reason'], 'string');
      const restored = await speaker.control('restored');
      assert.ok(isCount(restored['gapMs']) && isCount(restored['replayed']), JSON.stringify(restored));
      const order = speaker.controls.map(({ type }) => type).filter((type) => /interrupted|restored/.test(type));
      assert.deepEqual(order, ['interrupted', 'restored']);
      await speaker.text('meanwhile');
      await speaker.control('ack', (ack) => ack['received'] === 2, ackMs);
    },
  },
  {
    of: 'rule 8',
    says: 'a Close from the gateway ends the session',
    needs: 'admin',
    run: async (trial) => {
      const speaker = await trial.begun();
      await trial.rig.admin!('DELETE', `/pipes/${speaker.welcome.pipe}`);
      assert.equal(await speaker.closeCode(), 1000);
      assert.equal((await trial.begun(resumption(speaker, 0))).welcome.resumed, false);
    },
  },
  {
    of: 'Messages',
    says: 'before it closes, the gateway says goaway with a delay of its own for each client, then closes with 1012; all is acknowledged before',
    needs: 'stop',
    run: async (trial) => {
      const speakers = await Promise.all(Array.from({ length: 8 }, () => trial.begun()));
      const unstarted = await trial.greeted();
      for (const speaker of speakers) speaker.send('one');
      await Promise.all(speakers.map((speaker) => speaker.count(1)));
      await trial.rig.stop!();
      const delays = new Set<unknown>();
      for (const speaker of speakers) {
        const { reconnectAfterMs } = await speaker.control('goaway', undefined, 15_000);
        assert.ok(isCount(reconnectAfterMs));
        delays.add(reconnectAfterMs);
        assert.equal(await speaker.closeCode(10_000), 1012);
      }
      assert.ok(delays.size > 1, 'each has its own delay');
      assert.equal(await unstarted.closeCode(), 1012);
    },
  },
];

/** In the order of the document; what ends the gateway is last. */
export const rules: readonly Rule[] = [...negotiation, ...messages, ...counting, ...resuming, ...operator];

/** @returns null where the rule holds, what is wrong, or why it was left out. */
export async function tryRule(
  rule: Rule,
  rig: Rig,
): Promise<{ outcome: 'pass' | 'fail' | 'left out'; detail: string }> {
  if (rule.needs !== undefined && rig[rule.needs] === null) {
    return { outcome: 'left out', detail: rule.needs === 'admin' ? 'needs --admin and --token' : 'needs --pid' };
  }
  const trial = new Trial(rig);
  try {
    await rule.run(trial);
    trial.end();
    return { outcome: 'pass', detail: '' };
  } catch (error) {
    try {
      trial.end();
    } catch {}
    if (error instanceof LeftOut) return { outcome: 'left out', detail: error.message };
    return { outcome: 'fail', detail: error instanceof Error ? error.message : String(error) };
  }
}
