/** Rules 1 and 2: what is counted, and what an ack says. */
import assert from 'node:assert/strict';
import { sleep } from '../../support/wait.ts';
import { mark } from '../speaker.ts';
import { ackMs, type Rule, refusesAll, resumption } from '../trial.ts';

export const counting: readonly Rule[] = [
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
