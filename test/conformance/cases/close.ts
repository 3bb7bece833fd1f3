/** RFC 6455 section 5.5.1 and 7: Close frames, their codes and reasons, the closing handshake in both directions. */
import {
  answers,
  binary,
  close,
  type FrameCase,
  fails,
  letters,
  more,
  ping,
  pong,
  type Section,
  send,
  text,
  unfinished,
  violation,
} from '../case.ts';

const closes = (code: number, reason = ''): FrameCase['outcome'] => ({ kind: 'closes', code, reason });

/** 7.4.1 and the IANA registry (7.4.2: 1012, 1013, 1014), then those for libraries and applications. */
const validCodes = [
  ...[1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014],
  ...[3000, 3001, 3500, 3999, 4000, 4001, 4409, 4500, 4998, 4999],
];
const invalidCodes = [
  ...[0, 1, 100, 255, 256, 998, 999, 1004, 1005, 1006],
  ...[1015, 1016, 1017, 1099, 1100, 1500, 1999, 2000, 2500, 2998, 2999],
  ...[5000, 5001, 9999, 10_000, 32_767, 32_768, 65_280, 65_534, 65_535],
];

const codes: FrameCase[] = [
  { name: 'an empty Close', rfc: '5.5.1', steps: [send(close())], outcome: closes(1005) },
  ...validCodes.flatMap((code): FrameCase[] => [
    { name: `the code ${code}`, rfc: '7.4', steps: [send(close(code))], outcome: closes(code) },
    {
      name: `the code ${code} with a reason, behind a message`,
      rfc: '7.4',
      steps: [send(text('a')), answers, send(close(code, 'because'))],
      delivers: ['a'],
      outcome: closes(code, 'because'),
    },
  ]),
  ...invalidCodes.flatMap((code): FrameCase[] => [
    violation(`the code ${code}, which may not be sent`, '7.4', send(close(code))),
    violation(`the code ${code}, which may not be sent, with a reason`, '7.4', send(close(code, 'because'))),
  ]),
  ...[0, 3, 125, 255].map((byte) =>
    violation(`a Close of the one byte ${byte}`, '5.5.1', send({ opcode: 'close', payload: Uint8Array.of(byte) })),
  ),
];

const goodReasons: readonly (readonly [name: string, reason: string])[] = [
  ['of one byte', 'x'],
  ['of 122 bytes', letters(122)],
  ['of 123 bytes', letters(123)],
  ['of two-byte characters', '\u00e9'.repeat(61)],
  ['of three-byte characters', '\u20ac'.repeat(41)],
  ['of four-byte characters', '\u{1f600}'.repeat(30)],
  ['with a NUL', 'a\u0000b'],
  ['that begins with a byte order mark', '\ufeffabc'],
  ['with a noncharacter', '\ufffe\uffff\u{10ffff}'],
];
/** Each is not UTF-8 (RFC 3629). */
const badReasons: readonly (readonly [name: string, bytes: readonly number[]])[] = [
  ['a lone continuation byte', [0x80]],
  ['a continuation byte behind a letter', [0x61, 0xbf]],
  ['a two-byte character without its end', [0xc3]],
  ['a two-byte character cut by a letter', [0xc3, 0x28]],
  ['a three-byte character without its end', [0xe2, 0x82]],
  ['a four-byte character without its end', [0xf0, 0x9f, 0x98]],
  ['an overlong slash', [0xc0, 0xaf]],
  ['an overlong NUL', [0xe0, 0x80, 0x80]],
  ['an overlong four-byte form', [0xf0, 0x80, 0x80, 0x80]],
  ['a high surrogate', [0xed, 0xa0, 0x80]],
  ['a surrogate pair', [0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80]],
  ['U+110000', [0xf4, 0x90, 0x80, 0x80]],
  ['a five-byte form', [0xf8, 0x88, 0x80, 0x80, 0x80]],
  ['0xfe', [0xfe]],
  ['0xff behind text', [0x6f, 0x6b, 0xff]],
];
const reasons: FrameCase[] = [
  ...goodReasons.map(
    ([name, reason]): FrameCase => ({
      name: `a reason ${name}`,
      rfc: '5.5.1',
      steps: [send(close(4000, reason))],
      outcome: closes(4000, reason),
    }),
  ),
  ...badReasons.map(
    ([name, bytes]): FrameCase => ({
      ...violation(`a reason that is not UTF-8: ${name}`, '8.1', send(close(1000, Uint8Array.from(bytes)))),
      outcome: fails(1007),
    }),
  ),
];

/** Nothing that comes behind a Close is looked at. */
const behind: FrameCase[] = (
  [
    ['a text', [text('late')]],
    ['a binary message of 70,000 bytes', [binary(letters(70_000))]],
    ['a ping', [ping('late')]],
    ['a pong', [pong('late')]],
    ['a second Close with another code', [close(4001, 'second')]],
    ['a Close with a forbidden code', [close(1005)]],
    ['a reserved opcode', [{ opcode: 3, payload: 'x' }]],
    ['a continuation without a beginning', [more('x')]],
    ['a frame with reserved bits', [text('x', { rsv: 7 })]],
    ['a frame masked as it must not be', [text('x', { mask: 'wrong' })]],
    ['a first fragment', [text('x', unfinished)]],
    ['garbage', [Buffer.from('GET / HTTP/1.1\r\n\r\n')]],
  ] as const
).map(
  ([name, frames]): FrameCase => ({
    name: `${name} behind a Close is not looked at`,
    rfc: '5.5.1',
    steps: [send(text('before')), answers, send(close(4000, 'bye')), send(...frames)],
    delivers: ['before'],
    outcome: closes(4000, 'bye'),
  }),
);

/** The other end's application begins. `ws` sends no code that is forbidden. */
const fromTheOther: FrameCase[] = [
  {
    name: 'the application closes without a code',
    rfc: '7.1.2',
    steps: [{ peerCloses: {} }],
    outcome: { kind: 'closed', code: 1005, reason: '' },
  },
  ...validCodes.flatMap((code) =>
    ['', 'because \u20ac'].map(
      (reason): FrameCase => ({
        name: `the application closes with ${code} ${reason === '' ? 'and no reason' : 'and a reason'}`,
        rfc: '7.1.2',
        steps: [send(text('a')), answers, { peerCloses: { code, reason } }],
        delivers: ['a'],
        outcome: { kind: 'closed', code, reason },
        writes: 'as written',
      }),
    ),
  ),
  {
    name: 'the application closes while the script is inside a fragmented message',
    rfc: '7.1.2',
    steps: [send(text('a', unfinished)), send(ping('p')), answers, { peerCloses: { code: 4000, reason: 'enough' } }],
    outcome: { kind: 'closed', code: 4000, reason: 'enough' },
    writes: 'as written',
  },
];

export const closing: readonly Section[] = [
  { title: '7.4 close codes', cases: codes },
  { title: '5.5.1 reasons', cases: reasons },
  { title: '5.5.1 data behind a Close', cases: behind },
  { title: '7.1 Close of the other end', cases: fromTheOther },
];
