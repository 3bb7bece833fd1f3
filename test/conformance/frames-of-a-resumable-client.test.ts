/** The same frames on a connection of holdfast.v1, where texts that begin with U+001E have a meaning of their own. */
import { test } from 'node:test';
import { testSide } from './side-test.ts';

test('what a client of holdfast.v1 sends has the outcome that RFC 6455 says', async (t) => {
  await testSide(t, 'client of holdfast.v1');
});
