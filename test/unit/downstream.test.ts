import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventStream } from '../../src/observe/events.ts';
import { Downstream } from '../../src/pipe/downstream.ts';
import { encodeFrame, opcode } from '../../src/wire/frame.ts';

const fields = { pipeId: 'p', clientId: 'c', clientIp: '' };

test('regression: a raised bound lets backends be read again while the client is away', () => {
  const limits = { maxDownstreamBytes: 1000 };
  let changes = 0;
  const owner = {
    fields,
    readingChanged: () => {
      changes += 1;
    },
  };
  const downstream = new Downstream(owner, { events: new EventStream(() => {}), wheel: { fairNow: () => 0 }, limits });
  downstream.keep();
  downstream.push(encodeFrame(opcode.binary, Buffer.alloc(1500), false), 1);
  assert.deepEqual([downstream.open, changes], [false, 1]);
  limits.maxDownstreamBytes = 2000;
  downstream.limitsChanged();
  assert.equal(downstream.open, false, 'more than half of it is taken');
  limits.maxDownstreamBytes = 4000;
  downstream.limitsChanged();
  assert.deepEqual([downstream.open, changes], [true, 2]);
});
