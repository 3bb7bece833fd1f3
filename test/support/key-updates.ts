/** A TLS 1.3 peer that changes its keys as often as a test wants. Node's own has no call for it, so the records are made here. */
import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto';
import { connect as connectTcp, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { connect as connectTls, createSecureContext, TLSSocket } from 'node:tls';
import type { KeyPair } from './certificates.ts';
import { endWith, type OptionalOwner } from './owner.ts';
import { once } from './wait.ts';

/** The one cipher that is known here. */
const ciphers = 'TLS_AES_128_GCM_SHA256';
const keyBytes = 16;
const ivBytes = 12;
const tagBytes = 16;
const headBytes = 5;
/** Types of records, RFC 8446 section 5.1. */
const handshake = 22;
const applicationData = 23;
const keyUpdate = 24;

/** RFC 8446 section 7.1; nothing here is longer than one hash. */
function expandLabel(secret: Buffer, name: string, bytes: number): Buffer {
  const label = Buffer.from(`tls13 ${name}`);
  const info = Buffer.concat([Buffer.from([0, bytes, label.length]), label, Buffer.from([0, 1])]);
  return createHmac('sha256', secret).update(info).digest().subarray(0, bytes);
}

export class KeyUpdatingPeer {
  /** Node's side of it: all is received by it, and sent by it until the first of the calls below. */
  readonly tls: TLSSocket;
  readonly #tcp: Socket;
  readonly #sent: Buffer[] = [];
  #secret: Buffer | null = null;
  /** Records that were sent with this secret; null = those that node has sent are not counted yet. */
  #records: number | null = null;

  constructor(tcp: Socket, side: 'CLIENT' | 'SERVER', secure: (wire: Duplex) => TLSSocket) {
    this.#tcp = tcp;
    const wire = new Duplex({
      read: () => {},
      write: (chunk: Buffer, _encoding, done) => {
        this.#sent.push(chunk);
        tcp.write(chunk, () => done());
      },
    });
    tcp.on('data', (chunk: Buffer) => wire.push(chunk)).on('error', () => {});
    tcp.on('close', () => wire.destroy());
    this.tls = secure(wire).on('error', () => {});
    const line = new RegExp(`^${side}_TRAFFIC_SECRET_0 \\S+ (\\S+)`);
    this.tls.on('keylog', (logged: Buffer) => {
      const [, secret] = line.exec(String(logged)) ?? [];
      if (secret !== undefined) this.#secret = Buffer.from(secret, 'hex');
    });
  }

  /** New keys, so many times, in one write. @param asks the other one for new keys of its own as well. */
  updateKeys(times: number, asks: boolean): void {
    const records = Array.from({ length: times }, () => {
      const record = this.#record(handshake, Buffer.from([keyUpdate, 0, 0, 1, asks ? 1 : 0]));
      this.#secret = expandLabel(this.#secret!, 'traffic upd', this.#secret!.length);
      this.#records = 0;
      return record;
    });
    this.#tcp.write(Buffer.concat(records));
  }

  /** With the keys of now. */
  send(data: Uint8Array): void {
    this.#tcp.write(this.#record(applicationData, data));
  }

  /** Resolves when the connection has ended. */
  async closed(): Promise<void> {
    if (!this.#tcp.destroyed) await once(this.#tcp, 'close');
  }

  destroy(): void {
    this.#tcp.destroy();
  }

  #record(type: number, content: Uint8Array): Buffer {
    this.#records ??= this.#countSent();
    const head = Buffer.from([applicationData, 3, 3, 0, 0]);
    head.writeUInt16BE(content.length + 1 + tagBytes, 3);
    const cipher = createCipheriv('aes-128-gcm', ...this.#keys(this.#records)).setAAD(head);
    this.#records += 1;
    return Buffer.concat([
      head,
      cipher.update(content),
      cipher.update(Buffer.from([type])),
      cipher.final(),
      cipher.getAuthTag(),
    ]);
  }

  /** Those that open with this secret; those of the handshake have another one. */
  #countSent(): number {
    const sent = Buffer.concat(this.#sent);
    let opened = 0;
    for (let at = 0; at + headBytes <= sent.length; at += headBytes + sent.readUInt16BE(at + 3)) {
      const head = sent.subarray(at, at + headBytes);
      const body = sent.subarray(at + headBytes, at + headBytes + sent.readUInt16BE(at + 3));
      if (head[0] !== applicationData) continue;
      const decipher = createDecipheriv('aes-128-gcm', ...this.#keys(opened)).setAAD(head);
      decipher.setAuthTag(body.subarray(-tagBytes)).update(body.subarray(0, -tagBytes));
      try {
        decipher.final();
        opened += 1;
      } catch {}
    }
    return opened;
  }

  /** @param record number of it, from 0 on for each secret. */
  #keys(record: number): [key: Buffer, nonce: Buffer] {
    const nonce = Buffer.from(expandLabel(this.#secret!, 'iv', ivBytes));
    nonce.writeUInt32BE((nonce.readUInt32BE(ivBytes - 4) ^ record) >>> 0, ivBytes - 4);
    return [expandLabel(this.#secret!, 'key', keyBytes), nonce];
  }
}

/** A client whose TLS handshake is done. @param ca PEM. */
export async function connectKeyUpdating(t: OptionalOwner, port: number, ca: string): Promise<KeyUpdatingPeer> {
  const client = new KeyUpdatingPeer(connectTcp(port, '127.0.0.1'), 'CLIENT', (socket) =>
    connectTls({ socket, ca, servername: 'localhost', ciphers, minVersion: 'TLSv1.3' }),
  );
  endWith(t, () => client.destroy());
  await once(client.tls, 'secureConnect');
  return client;
}

/** For a connection that a server of node:net has accepted. */
export function acceptKeyUpdating(t: OptionalOwner, tcp: Socket, own: KeyPair): KeyUpdatingPeer {
  const secureContext = createSecureContext({ ...own, ciphers, minVersion: 'TLSv1.3' });
  const peer = new KeyUpdatingPeer(tcp, 'SERVER', (wire) => new TLSSocket(wire, { isServer: true, secureContext }));
  endWith(t, () => peer.destroy());
  return peer;
}
