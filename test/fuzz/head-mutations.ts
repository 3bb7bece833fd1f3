/** Heads of upgrade requests and others, and of answers to them, and what can be wrong with them: drawn from a seed alone. */
import { between, pick } from './frame-mutations.ts';

type Random = () => number;

const upgrade = (path: string): string[] => [
  `GET ${path} HTTP/1.1`,
  'Host: 127.0.0.1',
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==',
  'Sec-WebSocket-Version: 13',
];
const paths = [
  '/ws/echo',
  '/ws',
  '/ws/../backends',
  '/ws/%2e%2e/x',
  '/ws/%00',
  '/ws/%ff%fe',
  '/ws//x',
  '//ws',
  '/ws?a=b&a=c',
  '/ws#x',
  `/ws/${'a'.repeat(3000)}`,
  'http://elsewhere/ws/echo',
  '*',
  '/backends',
  '/pipes/x',
  '/docs/json',
  '/config/heartbeat',
  '/metrics',
  '/holdfast/client.js',
];
const extra = [
  'Sec-WebSocket-Protocol: a, b',
  'Sec-WebSocket-Protocol: holdfast.v1',
  'Sec-WebSocket-Protocol: ,,',
  'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits',
  'Sec-WebSocket-Extensions: ;;=',
  'Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==',
  'Sec-WebSocket-Version: 8',
  'Content-Length: 5',
  'Content-Length: -1',
  'Content-Length: 99999999999999999999',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: chunked, identity',
  'Expect: 100-continue',
  'Connection: close',
  'Connection: keep-alive, Upgrade, Host',
  'Upgrade: h2c',
  'Host: other',
  'Holdfast-Pipe: forged',
  'Holdfast-Ticket: forged',
  'X-Forwarded-For: 1.2.3.4, not an address',
  'Authorization: Bearer wrong-token-0123456789',
  'Authorization: Basic Og==',
  'Cookie: a=b',
  'If-Match: "nonsense',
  'Origin: null',
  'Origin: https://elsewhere.example',
  ' folded: line',
  'No colon',
  ': no name',
  'Bad Name: x',
  'X: \u0001\u0002',
  'X: caf\u00e9',
  `X-Long: ${'x'.repeat(20_000)}`,
];
const bodies = ['', 'hello', '5\r\nhello\r\n0\r\n\r\n', '{"url":"ws://127.0.0.1:1"}', '\u0000'.repeat(50)];

/** A head of a request with what comes behind it, at most some 40 KB. */
export function fuzzedHead(random: Random): Buffer {
  const lines = upgrade(random() < 0.6 ? '/ws/echo' : pick(random, paths));
  if (random() < 0.25) {
    const [, target = '/'] = lines[0]!.split(' ');
    const method = pick(random, [
      'POST',
      'PUT',
      'HEAD',
      'OPTIONS',
      'DELETE',
      'TRACE',
      'CONNECT',
      'PRI',
      'get',
      'QUERY',
    ]);
    lines[0] = `${method} ${target} HTTP/1.1`;
  }
  if (random() < 0.1)
    lines[0] = lines[0]!.replace('HTTP/1.1', pick(random, ['HTTP/1.0', 'HTTP/2.0', 'HTTP/9.9', 'XTTP/1.1', '']));
  for (let times = between(random, 0, 3); times > 0; times -= 1) {
    const at = between(random, 1, lines.length - 1);
    const kind = random();
    if (kind < 0.5) lines.splice(at, 0, pick(random, extra));
    else if (kind < 0.75) lines.splice(at, 1);
    else if (kind < 0.9) lines.splice(at, 0, lines[at]!);
    else lines[at] = lines[at]!.replace(/: .*/, ': ');
    if (lines.length < 3) break;
  }
  return asBytes(random, lines, pick(random, bodies));
}

const statusLines = [
  'HTTP/1.1 101',
  'HTTP/1.1 101 ',
  'HTTP/1.1 101 \u0001',
  `HTTP/1.1 101 ${'x'.repeat(20_000)}`,
  'HTTP/1.0 101 Switching Protocols',
  'HTTP/2.0 101 Switching Protocols',
  'HTTP/9.9 101 Switching Protocols',
  'XTTP/1.1 101 Switching Protocols',
  'http/1.1 101 Switching Protocols',
  'HTTP/1.1  101 Switching Protocols',
  ' HTTP/1.1 101 Switching Protocols',
  'HTTP/1.1 1010 Switching Protocols',
  'HTTP/1.1 10',
  'HTTP/1.1 -101 Switching Protocols',
  'HTTP/1.1 abc Switching Protocols',
  'GET / HTTP/1.1',
  '',
];
const statuses = [
  0, 99, 100, 102, 103, 199, 200, 204, 205, 226, 301, 304, 308, 401, 407, 421, 426, 429, 500, 503, 599, 999,
];
const extraOfAnswers = [
  'Upgrade: h2c',
  'Upgrade: websocket, h2c',
  'Connection: close',
  'Connection: keep-alive',
  'Sec-WebSocket-Accept: AAAA',
  'Sec-WebSocket-Accept:',
  `Sec-WebSocket-Accept: ${'A'.repeat(27)}=`,
  'Sec-WebSocket-Protocol: never-offered',
  'Sec-WebSocket-Protocol: holdfast.v1',
  'Sec-WebSocket-Protocol: a, b',
  'Sec-WebSocket-Protocol: ,,',
  'Sec-WebSocket-Protocol:',
  'Sec-WebSocket-Extensions: permessage-deflate',
  'Sec-WebSocket-Extensions: ;;=',
  'Sec-WebSocket-Version: 8, 13',
  'Content-Length: 0',
  'Content-Length: 5',
  'Content-Length: -1',
  'Content-Length: 99999999999999999999',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: chunked, identity',
  'Retry-After: -1',
  'Retry-After: 99999999999999999999',
  'Location: ws://127.0.0.1:1/',
  'Location: http://[',
  'Set-Cookie: a=b; Domain=elsewhere.example',
  'Holdfast-Pipe: forged',
  ' folded: line',
  '\tfolded',
  'No colon',
  ': no name',
  'Bad Name: x',
  'Upgrade : websocket',
  'X: \u0000\u0001\u0002',
  'X: caf\u00e9',
  `X-Long: ${'x'.repeat(20_000)}`,
];
/** Behind the head: an echo, the beginning of a frame, one that must not be, an answer of its own. */
const behindAnswers = [
  '',
  '\u0081\u0005hello',
  '\u0081\u007f',
  '\u0083\u0000',
  'hello',
  '5\r\nhello\r\n0\r\n\r\n',
  'HTTP/1.1 101 Switching Protocols\r\n\r\n',
  '\u0000'.repeat(50),
];

/** The head of an answer to an upgrade with what comes behind it, at most some 60 KB. @param acceptKey the right one. */
export function fuzzedAnswer(random: Random, acceptKey: string): Buffer {
  const lines = [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept: ${acceptKey}`,
  ];
  const first = random();
  if (first < 0.2) lines[0] = pick(random, statusLines);
  else if (first < 0.35) lines[0] = `HTTP/1.1 ${pick(random, statuses)} Test`;
  // One that comes before the answer: node passes over it, and may not do so for ever.
  if (random() < 0.1) lines.unshift(`HTTP/1.1 ${pick(random, [100, 102, 103])} Early`, 'X: y', '');
  for (let times = between(random, 0, 3); times > 0; times -= 1) {
    const at = between(random, 1, lines.length - 1);
    const line = lines[at]!;
    const [name, value = ''] = line.split(/: (.*)/);
    const changes: readonly (() => readonly string[])[] = [
      () => [pick(random, extraOfAnswers), line],
      () => [line, pick(random, extraOfAnswers)],
      () => [],
      () => [line, line],
      () => [`${name}: `],
      () => [`${name}:`, ` ${value}`],
      () => [`${name}: ${value}${pick(random, ['x', ' ', ',', '\u0000', ', again'])}`],
      () => [random() < 0.5 ? line.toUpperCase() : line.toLowerCase()],
    ];
    lines.splice(at, 1, ...pick(random, changes)());
    if (lines.length < 3) break;
  }
  return asBytes(random, lines, pick(random, behindAnswers));
}

/** At times with many lines more, with other ends of lines, with a wrong byte, or cut off. */
function asBytes(random: Random, some: readonly string[], body: string): Buffer {
  let lines = some;
  if (random() < 0.03) lines = [...lines, ...Array.from({ length: 2500 }, (_, n) => `X-${n}: y`)];
  const newline = random() < 0.05 ? '\n' : '\r\n';
  let head: Buffer = Buffer.from(`${lines.join(newline)}${newline}${newline}${body}`, 'latin1');
  if (random() < 0.15) {
    const at = Math.floor(random() * head.length);
    head = Buffer.concat([
      head.subarray(0, at),
      Buffer.of(between(random, 0, 255)),
      head.subarray(at + between(random, 0, 1)),
    ]);
  }
  if (random() < 0.1) head = head.subarray(0, Math.floor(random() * head.length));
  return head;
}
