/** Upgrade requests and others, and what can be wrong with them: drawn from a seed alone. */
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
  let lines = upgrade(random() < 0.6 ? '/ws/echo' : pick(random, paths));
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
  if (random() < 0.03) lines = [...lines, ...Array.from({ length: 2500 }, (_, n) => `X-${n}: y`)];
  const newline = random() < 0.05 ? '\n' : '\r\n';
  let head: Buffer = Buffer.from(`${lines.join(newline)}${newline}${newline}${pick(random, bodies)}`, 'latin1');
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
