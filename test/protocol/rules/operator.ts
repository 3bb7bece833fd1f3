/** What a client is told of what an operator does. */
import assert from 'node:assert/strict';
import { ackMs, isCount, type Rule, resumption } from '../trial.ts';

export const operator: readonly Rule[] = [
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
