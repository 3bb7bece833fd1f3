/** RFC 6455 section 4.1: which answers of a backend the gateway, as a client, may take for a connection. */
import type { AcceptOptions } from '../../support/raw-backend.ts';

export interface AnswerCase {
  readonly name: string;
  readonly rfc: string;
  /** Offered by the client. Default none. */
  readonly protocols?: readonly string[];
  readonly answer: AcceptOptions;
  /** What the client is told, '' = none; or null where the gateway must go to the next backend. */
  readonly taken: string | null;
  /** How the failed attempt is told. Default 'bad-handshake'. */
  readonly failure?: 'status';
}

export interface AnswerSection {
  readonly title: string;
  readonly cases: readonly AnswerCase[];
}

const bad = (rfc: string, name: string, answer: AcceptOptions, protocols?: readonly string[]): AnswerCase => ({
  name,
  rfc,
  answer,
  taken: null,
  ...(protocols === undefined ? {} : { protocols }),
});
const good = (rfc: string, name: string, answer: AcceptOptions): AnswerCase => ({ name, rfc, answer, taken: '' });

const handshake: AnswerCase[] = [
  good('4.1', 'an answer as it should be', {}),
  ...['WebSocket', 'WEBSOCKET'].map((one) => good('4.1', `the Upgrade '${one}'`, { headers: { Upgrade: one } })),
  ...['upgrade', 'UPGRADE', 'keep-alive, Upgrade', 'Upgrade, x, y, z'].map((one) =>
    good('4.1', `the Connection '${one}'`, { headers: { Connection: one } }),
  ),
  good('4.1', 'another reason phrase', { statusLine: 'HTTP/1.1 101 Whatever you say' }),
  good('4.1', 'no reason phrase', { statusLine: 'HTTP/1.1 101 ' }),
  good('4.1', 'headers nobody knows', { headers: { 'X-Own': 'x'.repeat(5000), Server: 'raw' } }),
  good('9.1', 'an empty list of extensions', { headers: { 'Sec-WebSocket-Extensions': '' } }),
  bad('4.1', 'a wrong accept key', { acceptKey: 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=' }),
  bad('4.1', 'an empty accept key', { acceptKey: '' }),
  bad('4.1', 'no accept key', { acceptKey: null }),
  bad('4.1', 'an Upgrade to h2c', { headers: { Upgrade: 'h2c' } }),
  bad('4.1', 'an Upgrade to websocket and more', { headers: { Upgrade: 'websocket, h2c' } }),
  bad('4.1', 'no Upgrade', { headers: { Upgrade: null } }),
  bad('4.1', 'no Connection', { headers: { Connection: null } }),
  bad('4.1', 'a Connection that does not name the upgrade', { headers: { Connection: 'keep-alive' } }),
  bad('9.1', 'an extension that was not offered', { headers: { 'Sec-WebSocket-Extensions': 'permessage-deflate' } }),
  bad('4.1', 'a 101 that is no HTTP', { statusLine: 'HTP/1.1 101 Switching Protocols' }),
  bad('4.1', 'a status line without a number', { statusLine: 'HTTP/1.1 Switching Protocols' }),
  { ...bad('4.1', 'the status 200 with all the headers', { statusLine: 'HTTP/1.1 200 OK' }), failure: 'status' },
  bad('4.1', 'the status 100 with all the headers, then a frame', {
    statusLine: 'HTTP/1.1 100 Continue',
    after: '\u0000',
  }),
];

const repeated: AnswerCase[] = [
  good('RFC 9110 section 5.3', 'the Connection in two lines', { headers: { Connection: ['keep-alive', 'Upgrade'] } }),
  good('RFC 9110 section 5.3', 'a header nobody knows in two lines', { headers: { 'X-Own': ['a', 'b'] } }),
  bad('11.3.3', 'the right accept key twice', { twice: ['Sec-WebSocket-Accept'] }),
  bad('11.3.3', 'the right accept key, and a wrong one', {
    headers: { 'sec-websocket-accept': 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=' },
  }),
  bad('11.3.3', 'the right accept key, and an empty one', { headers: { 'sec-websocket-accept': '' } }),
  bad('4.1', 'the Upgrade twice', { twice: ['Upgrade'] }),
  bad('4.1', 'an Upgrade to websocket, and one to h2c', { headers: { Upgrade: ['websocket', 'h2c'] } }),
  bad('11.3.4', 'the same subprotocol twice', { protocol: 'a', twice: ['Sec-WebSocket-Protocol'] }, ['a', 'b']),
  bad('11.3.4', 'two subprotocols', { headers: { 'Sec-WebSocket-Protocol': ['a', 'b'] } }, ['a', 'b']),
  bad('11.3.4', 'a subprotocol, and an empty one', { headers: { 'Sec-WebSocket-Protocol': ['a', ''] } }, ['a', 'b']),
  bad('11.3.2', 'two extensions that were not offered', { headers: { 'Sec-WebSocket-Extensions': ['a', 'b'] } }),
];

const subprotocols: AnswerCase[] = [
  { name: 'the first of three', rfc: '4.1', protocols: ['a', 'b', 'c'], answer: { protocol: 'a' }, taken: 'a' },
  { name: 'the last of three', rfc: '4.1', protocols: ['a', 'b', 'c'], answer: { protocol: 'c' }, taken: 'c' },
  { name: 'none of three', rfc: '4.1', protocols: ['a', 'b', 'c'], answer: { protocol: null }, taken: '' },
  { name: 'none, and none was offered', rfc: '4.1', answer: { protocol: null }, taken: '' },
  bad('4.1', 'one that was not offered', { protocol: 'd' }, ['a', 'b']),
  bad('4.1', 'one where none was offered', { protocol: 'a' }),
  bad('4.1', 'one in another case', { protocol: 'A' }, ['a', 'b']),
  bad('4.2.2', 'two at once', { protocol: 'a, b' }, ['a', 'b']),
  bad('4.2.2', 'part of one', { protocol: 'chat' }, ['chat.v1', 'b']),
];

export const answerSections: readonly AnswerSection[] = [
  { title: '4.1 answers of a backend', cases: handshake },
  { title: '11.3 repeated headers of a backend', cases: repeated },
  { title: '4.1 subprotocols of a backend', cases: subprotocols },
];
