/** PROTOCOL.md, rules 1 to 4, at the client. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Session } from '../../src/client/session.ts';

const keep = (session: Session, ...texts: string[]): void => {
  for (const text of texts) session.keep(text, text.length);
};

/** Sends what there is to send. */
function drain(session: Session): unknown[] {
  const sent: unknown[] = [];
  for (let data = session.next(); data !== undefined; data = session.next()) {
    sent.push(data);
    session.markSent();
  }
  return sent;
}

test('a message is sent once and kept until it is acknowledged', () => {
  const session = new Session();
  keep(session, 'a', 'bb', 'ccc');
  assert.deepEqual(drain(session), ['a', 'bb', 'ccc']);
  assert.deepEqual(drain(session), []);
  assert.equal(session.bytes, 6);
  session.acknowledged(2);
  assert.deepEqual([session.bytes, session.messages], [3, 1]);
  session.acknowledged(1);
  assert.equal(session.messages, 1);
  session.acknowledged(3);
  assert.deepEqual([session.bytes, session.messages], [0, 0]);
});

test('an acknowledgement never covers what was not sent', () => {
  const session = new Session();
  keep(session, 'a');
  session.acknowledged(5);
  assert.deepEqual(drain(session), ['a']);
});

test('a resume sends again what the gateway has not received', () => {
  const session = new Session();
  keep(session, 'a', 'b', 'c');
  drain(session);
  session.acknowledged(1);
  keep(session, 'd');
  assert.equal(session.resume(2), 1);
  assert.deepEqual(drain(session), ['c', 'd']);
  session.acknowledged(4);
  assert.equal(session.messages, 0);
});

test('what a gateway has received is kept until it is acknowledged: the gateway may die', () => {
  const session = new Session();
  keep(session, 'a', 'b', 'c');
  drain(session);
  session.acknowledged(1);
  assert.equal(session.resume(2), 1);
  assert.deepEqual(drain(session), ['c']);
  assert.equal(session.messages, 2);
  assert.equal(session.restart().maybeTwiceMessages, 2);
  assert.deepEqual(drain(session), ['b', 'c']);
});

test('a second cut while messages are sent again loses none', () => {
  const session = new Session();
  keep(session, 'a', 'b', 'c');
  drain(session);
  session.resume(1);
  assert.equal(session.next(), 'b');
  session.markSent();
  assert.equal(session.resume(2), 0);
  assert.deepEqual(drain(session), ['c']);
});

test('a new session gets all that was never acknowledged, and says which may come twice', () => {
  const session = new Session();
  keep(session, 'a', 'b', 'c');
  drain(session);
  session.acknowledged(1);
  keep(session, 'd');
  for (let count = 0; count < 3; count += 1) session.arrived(10);
  session.takeAck();
  session.arrived(10);
  assert.deepEqual(session.restart(), {
    keptMessages: 3,
    maybeTwiceMessages: 2,
    receivedMessages: 4,
    unacknowledgedMessages: 1,
  });
  assert.deepEqual(drain(session), ['b', 'c', 'd']);
  session.acknowledged(3);
  assert.equal(session.messages, 0);
  session.name({ pipe: 'p', token: 't' });
  assert.deepEqual(session.resumption(), { pipe: 'p', token: 't', received: 0, attempt: 1 });
});

test('what was dropped counts if it was sent, and is made up for at a resume', () => {
  const session = new Session();
  keep(session, 'a', 'b', 'c');
  drain(session);
  session.dropOldest();
  session.acknowledged(2);
  assert.equal(session.messages, 1);
  keep(session, 'd', 'e');
  session.dropOldest();
  session.dropOldest();
  // The gateway has only 'a' and 'b': 'c' and 'd' are gone, 'e' is its third.
  session.resume(2);
  assert.deepEqual(drain(session), ['e']);
  session.acknowledged(3);
  assert.equal(session.messages, 0);
});

test('an acknowledgement is due at 64 KiB, and nothing is acknowledged twice', () => {
  const session = new Session();
  assert.equal(session.takeAck(), null);
  assert.equal(session.arrived(65_535), false);
  assert.equal(session.arrived(1), true);
  assert.equal(session.takeAck(), 2);
  assert.equal(session.takeAck(), null);
  assert.equal(session.arrived(1), false);
  session.resume(0);
  assert.equal(session.takeAck(), null, 'start has told the gateway');
});
