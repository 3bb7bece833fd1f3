/** Negotiation: when holdfast.v1 is spoken, and when nothing of it is seen. */
import assert from 'node:assert/strict';
import { mark, protocolName } from '../speaker.ts';
import type { Rule } from '../trial.ts';

export const negotiation: readonly Rule[] = [
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
