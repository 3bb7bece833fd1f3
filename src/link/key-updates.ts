/**
 * In TLS 1.3 either peer may change its keys at any time, and ask the other one to do so as well (KeyUpdate, RFC 8446 section 4.6.3). OpenSSL
 * does it as often as it is told to, and keeps the answers for a peer that takes none. Node lets us see it only where it would log the new keys:
 * those lines are counted, and never looked at.
 */
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { TokenBucket } from '../limits/token-bucket.ts';

/** Of lines: one for each change, ours in answer as well. Peers change their keys after millions of records, if at all. */
const rate = { perSecond: 64 / 60, burst: 64 };

const kLines = Symbol('holdfast.keyLines');
type CountedSocket = Duplex & { [kLines]?: TokenBucket };

/** From now on a peer that goes on changing keys is dropped. Call it when the handshake is done, which changes keys too; more than once does no harm. */
export function boundKeyUpdates(socket: Duplex): void {
  if (socket instanceof TLSSocket && !socket.listeners('keylog').includes(count)) socket.on('keylog', count);
}

function count(this: CountedSocket): void {
  // All that one read has brought is worked through, also once the socket is destroyed.
  if (this.destroyed) return;
  this[kLines] ??= new TokenBucket(rate);
  if (this[kLines].take(performance.now()) > 0) this.destroy(new Error('too many TLS key updates'));
}
