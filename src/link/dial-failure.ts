/** What is said of a dial that failed, in words for who runs the gateway: from node's error codes and how far it had come. Pure. */
import { STATUS_CODES } from 'node:http';
import type { DialFailure } from '../observe/vocabulary.ts';

/** What is being waited for. */
export type DialStage = 'lookup' | 'connection' | 'tls' | 'answer';

export interface DialError {
  readonly failure: DialFailure;
  readonly detail: string;
  /** With failure 'status'. */
  readonly statusCode?: number;
}

/** Codes of node:tls and OpenSSL that mean the certificate, not the network. */
const tlsCode = /CERT|SELF_SIGNED|ALTNAME|SSL|TLS|UNABLE_TO_/;
/** The peer's first bytes are no TLS. */
const noTls = /wrong.version.number|packet.length.too.long|unknown.protocol|http.request/i;
const words: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody listens there',
  ENOTFOUND: 'there is no such name',
  EAI_AGAIN: 'the name server does not answer',
  ETIMEDOUT: 'no answer from that address',
  EHOSTUNREACH: 'there is no way to that address',
  ENETUNREACH: 'there is no way to that address',
  EMFILE: 'the gateway has no descriptors left; raise its limit (ulimit -n)',
  EADDRNOTAVAIL: 'the gateway has no ports left toward that address',
  HPE_HEADER_OVERFLOW: 'the head of its answer is too long',
};
const plainHint = 'if that port speaks plain text, register it as ws://';
const tlsHint = 'if that port speaks TLS, register it as wss://';

// TLS 1.3 tells of a missing client certificate after its handshake, and a reset often comes before that is read.
const certificateHint = 'if it asks for a client certificate, see backendTls.cert';

/** An error of the socket, of TLS, or of the parser of the answer. */
export function describeError(error: NodeJS.ErrnoException, stage: DialStage, secure: boolean): DialError {
  const { code = '' } = error;
  if (code === '') return { failure: 'refused', detail: error.message };
  // EPROTO is the same, met while writing: what it was stands in the message alone.
  if (noTls.test(code) || (code === 'EPROTO' && noTls.test(error.message)))
    return { failure: 'tls', detail: `no TLS there: register it as ws:// (${code})` };
  if (tlsCode.test(code) || code === 'EPROTO') return { failure: 'tls', detail: `the TLS handshake failed (${code})` };
  if (code === 'ECONNRESET' || code === 'EPIPE')
    return describeEnd(stage, secure, `the connection was reset (${code})`);
  if (code.startsWith('HPE_')) {
    return { failure: 'bad-handshake', detail: `${words[code] ?? 'its answer is not HTTP'} (${code})` };
  }
  return { failure: 'refused', detail: `${words[code] ?? 'no connection'} (${code})` };
}

/** The connection ended before there was an answer. */
export function describeEnd(stage: DialStage, secure: boolean, what = 'the connection ended'): DialError {
  if (stage === 'tls') return { failure: 'refused', detail: `${what} during the TLS handshake: ${plainHint}` };
  const hint = !secure ? `: ${tlsHint}` : stage === 'answer' ? `: ${certificateHint}` : '';
  return { failure: 'refused', detail: `${what} before the request was answered${hint}` };
}

export function describeTimeout(stage: DialStage, timeoutMs: number): DialError {
  const details: Readonly<Record<DialStage, string>> = {
    lookup: `the name was not resolved within ${timeoutMs} ms`,
    connection: `no connection within ${timeoutMs} ms`,
    tls: `connected, but no TLS handshake within ${timeoutMs} ms: ${plainHint}`,
    answer: `connected, but the request was not answered within ${timeoutMs} ms`,
  };
  return { failure: 'timeout', detail: details[stage] };
}

/** An answer that is no 101. */
export function describeStatus(statusCode: number): DialError {
  const reason = STATUS_CODES[statusCode];
  const named = reason === undefined ? `${statusCode}` : `${statusCode} ${reason}`;
  const redirect = statusCode >= 300 && statusCode < 400 && statusCode !== 304;
  const detail = redirect ? `${named}: redirects are not followed, register the address it leads to` : named;
  return { failure: 'status', detail, statusCode };
}
