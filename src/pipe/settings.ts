/** What can be set of the life of a pipe: failover, moving, closing, coming back. */
import { Type } from 'typebox';
import { count, ms } from '../settings.ts';

export const failoverProperties = {
  codes: Type.Array(Type.Integer({ minimum: 1000, maximum: 4999 }), {
    default: [1001, 1006, 1011, 1012, 1013, 1014],
    description: 'Close codes of a backend that mean "take the next one"; 1006 = gone without a Close.',
  }),
  handshakeWaitMs: ms(2000, 'How long an upgrade waits for the first backend.'),
  maxInterruptionMs: ms(120_000, 'Longest time without a backend before the client is closed with 1013; 0 = no limit.'),
  maxReplays: count(
    3,
    'Links in a row that may fail with the same oldest message before the client is closed with 1011.',
    1,
  ),
  attachTimeoutMs: ms(5000, 'Longest time for the onAttach hook.', 1),
  probationMs: ms(1000, 'A link that fails sooner counts as a failure of its backend.'),
  backoffBaseMs: ms(50, 'First retry delay, full jitter.', 1),
  backoffMaxMs: ms(2000, 'Longest retry delay.', 1),
};

export const drainProperties = {
  quietMs: ms(200, 'An old link is left when nothing came from it for this long after its barrier.'),
  tailMs: ms(2000, 'Longest time an old link is read on after its barrier.'),
  timeoutMs: ms(30_000, 'Pipes that have not moved by then fail over.', 1),
  pipesPerSecond: count(500, 'Pipes moved per second.', 1),
};

export const closingProperties = {
  handshakeMs: ms(
    5000,
    'Longest wait for the answer to a Close before the connection is dropped, and for a client that takes nothing of the answer to its upgrade, or to a request before it.',
    1,
  ),
  lingerMs: ms(10_000, 'How long messages of a client that is gone are still brought to a backend.'),
};

export const resumeProperties = {
  windowMs: ms(
    60_000,
    'How long a resumable client (holdfast.v1) may be away before its pipe is closed; 0 = not at all.',
  ),
  startTimeoutMs: ms(10_000, 'How long a resumable client may take to say what it wants.', 1),
};
