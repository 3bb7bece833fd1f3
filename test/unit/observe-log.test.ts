import assert from 'node:assert/strict';
import test from 'node:test';
import { pino } from 'pino';
import { eventTable } from '../../src/observe/event-table.ts';
import { type EventName, EventStream, type HoldfastEvents } from '../../src/observe/events.ts';
import { type EventLogger, eventLog } from '../../src/observe/log.ts';
import { scrubPath, scrubProtocol, scrubText } from '../../src/observe/scrub.ts';
import { LogCapture } from '../support/log-capture.ts';

const pipe = { pipeId: 'p', clientId: 'c', clientIp: '203.0.113.7' };
const link = { ...pipe, backendId: 'b', backendUrl: 'ws://b/' };

function make(level: string, base: object | null = null, bindings: object = {}) {
  const capture = new LogCapture();
  const events = new EventStream((error) => {
    throw error;
  });
  events.tap(eventLog(pino({ level, base }, capture).child(bindings)));
  return { capture, events };
}

test('a line has level, message, event and fields, with milliseconds rounded to a tenth', () => {
  const { capture, events } = make('info');
  events.emit('pipe.restored', { ...link, gapMs: 11.23456, attempt: 2, generation: 3, replayed: 4 });
  const [line] = capture.lines;
  const { time, ...rest } = line!;
  assert.ok(time > 0);
  assert.deepEqual(rest, {
    level: 30,
    msg: 'pipe restored',
    event: 'pipe.restored',
    ...link,
    gapMs: 11.2,
    attempt: 2,
    generation: 3,
    replayed: 4,
  });
});

test('a field the table does not know is not written, one that is missing neither', () => {
  const { capture, events } = make('info');
  const event = { ...pipe, reason: 'lost', secret: 'x' } as unknown as HoldfastEvents['pipe.interrupted'];
  events.emit('pipe.interrupted', event);
  assert.deepEqual(Object.keys(capture.lines[0]!).sort(), [
    'clientId',
    'clientIp',
    'event',
    'level',
    'msg',
    'pipeId',
    'reason',
    'time',
  ]);
});

test('no key is twice in a line, whatever it is written beside', () => {
  const { capture, events } = make('trace', { worker: 1 }, { gateway: '/ws' });
  for (const [name, { fields }] of Object.entries(eventTable)) {
    const event = Object.fromEntries(Object.keys(fields).map((field) => [field, 1]));
    events.emit(name as 'gateway.closed', event as unknown as HoldfastEvents['gateway.closed']);
  }
  const lines = capture.text.trim().split('\n');
  assert.equal(lines.length, Object.keys(eventTable).length);
  // JSON.parse keeps the last of two that have one name.
  for (const line of lines) assert.equal(JSON.stringify(JSON.parse(line)), line);
});

test('null is written as null, nested settings as they are', () => {
  const { capture, events } = make('info');
  events.emit('backend.registered', { backendId: 'b', backendUrl: 'ws://b/', weight: 1, maxConnections: null });
  events.emit('backend.updated', {
    backendId: 'b',
    backendUrl: 'ws://b/',
    before: { weight: 1 },
    after: { weight: 2 },
  });
  assert.equal(capture.lines[0]?.['maxConnections'], null);
  assert.deepEqual(capture.lines[1]?.['after'], { weight: 2 });
});

test('pings and pongs are written at trace only', () => {
  for (const [level, lines] of [
    ['trace', 2],
    ['debug', 0],
  ] as const) {
    const { capture, events } = make(level);
    events.emit('heartbeat.ping', { ...pipe, hop: 'client', form: 'rfc6455' });
    events.emit('heartbeat.pong', { ...pipe, hop: 'client', form: 'rfc6455', rttMs: 1.26 });
    assert.equal(capture.lines.length, lines);
  }
});

test('below the level no field of an event is looked at', () => {
  const { events } = make('info');
  const untouchable = new Proxy(
    {},
    {
      get: () => assert.fail('it was read'),
      has: () => assert.fail('it was read'),
      ownKeys: () => assert.fail('it was read'),
    },
  );
  events.emit('heartbeat.ping', untouchable as HoldfastEvents['heartbeat.ping']);
  events.emit('pipe.paused', untouchable as HoldfastEvents['pipe.paused']);
});

test('a logger that cannot say its level is spared the heartbeats', () => {
  const seen: string[] = [];
  const write = (_fields: object, message: string) => seen.push(message);
  const logger = { trace: write, debug: write, info: write, warn: write, error: write } as unknown as EventLogger;
  const sink = eventLog(logger);
  sink('heartbeat.ping', { ...pipe, hop: 'client', form: 'rfc6455' });
  sink('pipe.opened', { ...pipe, protocol: '' });
  assert.deepEqual(seen, ['pipe opened']);
});

test('free text loses tokens, cookies, credentials and query strings', () => {
  const cases: [string, string][] = [
    ['ECONNREFUSED', 'ECONNREFUSED'],
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED'],
    ['connect ECONNREFUSED 127.0.0.1:9000', 'connect ECONNREFUSED 127.0.0.1:9000'],
    ['answered with the subprotocol "chat.v2"', 'answered with the subprotocol "chat.v2"'],
    ['closed with 1011', 'closed with 1011'],
    ['503 Service Unavailable', '503 Service Unavailable'],
    ['fetch ws://h/path?token=abc&x=1 failed', 'fetch ws://h/path?*** failed'],
    ['ws://user:pass@host/', 'ws://***@host/'],
    ['Authorization: Bearer abc.def.ghi', 'Authorization: ***'],
    ['got bearer abc.def', 'got bearer ***'],
    ['Cookie: a=1; session=2', 'Cookie: ***'],
    ['set-cookie=a; b', 'set-cookie: ***'],
    ['access_token=abc rest', 'access_token=*** rest'],
    ['{"password":"hunter2"}', '{"password":***'],
    ['key 0123456789abcdef0123456789abcdef', 'key ***'],
    ['two\r\nlines', 'two lines'],
  ];
  for (const [given, expected] of cases) assert.equal(scrubText(given), expected);
  assert.equal(scrubText('word '.repeat(100)).length, 203);
  assert.equal(scrubProtocol('graphql-transport-ws'), 'graphql-transport-ws');
  assert.equal(scrubProtocol(`base64url.bearer.authorization.k8s.io.${'x'.repeat(40)}`), '(78 characters)');
});

test('scrubbing a long and hostile text takes no time to speak of', () => {
  for (const text of ['a'.repeat(1e6), 'token'.repeat(1e5), '?'.repeat(1e6), '//'.repeat(1e5), 'cookie '.repeat(1e5)]) {
    const before = performance.now();
    scrubText(text);
    assert.ok(performance.now() - before < 50, text.slice(0, 10));
  }
});

test('the secrets in every text field of every event stay out of the log', () => {
  const { capture, events } = make('trace');
  const detail = 'refused: Authorization: Bearer s3cr3t-s3cr3t, Cookie: sid=s3cr3t, /path?ticket=s3cr3t';
  const texts: { [N in EventName]?: HoldfastEvents[N] } = {
    'pipe.violated': { ...pipe, hop: 'client', closeCode: 1002, detail },
    'backend.attempt-failed': { ...link, attempt: 1, failure: 'attach-hook', detail, dialMs: 1 },
    'backend.failed': { backendId: 'b', backendUrl: 'ws://b/', consecutiveFailures: 1, detail },
    'pipe.opened': { ...pipe, protocol: `access.${'s3cr3t'.repeat(10)}` },
  };
  for (const [name, event] of Object.entries(texts))
    events.emit(name as 'pipe.opened', event as HoldfastEvents['pipe.opened']);
  assert.equal(capture.lines.length, 4);
  assert.doesNotMatch(capture.text, /s3cr3t/);
});

test('what is to be a path is shown only if it may be one', () => {
  for (const path of [
    '/etc/holdfast/token',
    'token.txt',
    './a b/key.pem',
    'C:\\tls\\key.pem',
    `/${'long/'.repeat(50)}x`,
  ])
    assert.equal(scrubPath(path), path);
  const key = 'MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg/f8+1aKxR6FZq2hO0vE3lN7tBqPzYxWkUuJdGmSe8CcChRANCAAQ';
  for (const secret of [
    'a-short-token',
    '',
    key,
    'redis://:password@host',
    `a.${'b'.repeat(40)}.c`,
    '/a\nb',
    '/x'.repeat(200),
  ])
    assert.equal(scrubPath(secret), '(not shown, as it looks like no path)');
});
