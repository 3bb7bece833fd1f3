/** A gateway that lapsed while it was asked is missing once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Courier } from '../../src/cluster/courier.ts';
import type { Membership } from '../../src/cluster/membership.ts';
import { Fleet } from '../../src/gateways/fleet.ts';
import { pipeQuestion } from '../../src/gateways/pipe-questions.ts';

test('who did not answer and has lapsed meanwhile is named once, in the order of the ids', async () => {
  const membership = { id: 'own.aaaaaa', up: true, lapsed: ['two.bbbbbb', 'six.cccccc'] };
  const courier = { askAll: async () => ({ answers: [], missing: ['two.bbbbbb', 'one.dddddd'] }) };
  const fleet = new Fleet(membership as unknown as Membership, courier as unknown as Courier);
  const { missing, failure } = await fleet.askAll(pipeQuestion, { id: 'p-1' }, { lapsed: true });
  assert.deepEqual(missing, ['one.dddddd', 'six.cccccc', 'two.bbbbbb']);
  assert.doesNotMatch(failure!.message, /others/);
});
