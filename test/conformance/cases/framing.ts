/** RFC 6455 section 5.2 and 5.3: lengths, reserved bits and opcodes, masks. */
import {
  answers,
  binary,
  close,
  type FrameCase,
  type FrameSpec,
  fails,
  keys,
  letters,
  more,
  open,
  ping,
  pong,
  type Section,
  send,
  text,
  unfinished,
  violation,
} from '../case.ts';
import { maxMessageBytes } from '../rigs.ts';

const borders = [0, 1, 2, 124, 125, 126, 127, 128, 255, 256, 65_534, 65_535, 65_536, 65_537, 131_072];

const lengths: FrameCase[] = borders.flatMap((bytes) => {
  const payload = letters(bytes);
  return [
    { name: `a text of ${bytes} bytes`, rfc: '5.2', steps: [send(text(payload))], delivers: [payload], outcome: open },
    {
      name: `a binary message of ${bytes} bytes between two others`,
      rfc: '5.2',
      steps: [send(text('a'), binary(Buffer.from(payload)), text('b'))],
      delivers: ['a', Buffer.from(payload), 'b'],
      outcome: open,
    },
  ];
});

const longForms: FrameCase[] = [
  ...[0, 1, 124, 125].map((bytes) => [bytes, 16] as const),
  ...[0, 1, 125, 126, 127, 65_534, 65_535].map((bytes) => [bytes, 64] as const),
].flatMap(([bytes, lengthEncoding]) => {
  const form = `a length of ${bytes} in ${lengthEncoding} bits, which is not in its shortest form`;
  const payload = letters(bytes);
  return [
    violation(`${form}, of a text`, '5.2', send(text(payload, { lengthEncoding }))),
    violation(`${form}, of a last fragment`, '5.2', send(text('a', unfinished), more(payload, { lengthEncoding }))),
  ];
});

const huge: FrameCase[] = [
  ...[2n ** 63n, 2n ** 63n + 1n, 2n ** 64n - 1n].map((declaredLength) =>
    violation(
      `a length of ${declaredLength}: its highest bit is set`,
      '5.2',
      send(text('', { declaredLength, lengthEncoding: 64 })),
    ),
  ),
  ...[2n ** 63n - 1n, 2n ** 53n, 2n ** 53n - 1n, 2n ** 32n, BigInt(maxMessageBytes + 1)].map((declaredLength) => ({
    ...violation(
      `the header alone of a message of ${declaredLength} bytes, which is over the limit`,
      '7.4.1',
      send(binary('', { declaredLength, lengthEncoding: 64 })),
    ),
    outcome: fails(1009),
  })),
  {
    ...violation(
      'fragments that are over the limit together',
      '7.4.1',
      send(binary(new Uint8Array(100_000), unfinished), more('', { declaredLength: maxMessageBytes - 99_999 })),
    ),
    outcome: fails(1009),
    writes: 'as written',
  },
];

const frameOfEachKind: readonly (readonly [name: string, frame: (changes: Partial<FrameSpec>) => FrameSpec])[] = [
  ['a text', (changes) => text('x', changes)],
  ['an empty text', (changes) => text('', changes)],
  ['a first fragment', (changes) => text('x', { ...unfinished, ...changes })],
  ['a binary message', (changes) => binary('x', changes)],
  ['a Close', (changes) => close(1000, 'x', changes)],
  ['an empty Close', (changes) => close(undefined, '', changes)],
  ['a ping', (changes) => ping('x', changes)],
  ['an empty ping', (changes) => ping('', changes)],
  ['a pong', (changes) => pong('x', changes)],
];

const reservedBits: FrameCase[] = [1, 2, 3, 4, 5, 6, 7].flatMap((rsv) => [
  ...frameOfEachKind.map(([name, frame]) =>
    violation(`${name} with the reserved bits ${rsv.toString(2).padStart(3, '0')}`, '5.2', send(frame({ rsv }))),
  ),
  violation(
    `a last fragment with the reserved bits ${rsv.toString(2).padStart(3, '0')}`,
    '5.2',
    send(text('x', unfinished), more('y', { rsv })),
  ),
]);

const reservedOpcodes: FrameCase[] = [3, 4, 5, 6, 7, 11, 12, 13, 14, 15].flatMap((opcode) => [
  violation(`the reserved opcode ${opcode}, empty`, '5.2', send({ opcode })),
  violation(`the reserved opcode ${opcode} with 125 bytes`, '5.2', send({ opcode, payload: letters(125) })),
  violation(`the reserved opcode ${opcode} with 200 bytes`, '5.2', send({ opcode, payload: letters(200) })),
  violation(`the reserved opcode ${opcode}, not final`, '5.2', send({ opcode, payload: 'x', fin: false })),
  violation(
    `the reserved opcode ${opcode} between fragments`,
    '5.2',
    send(text('x', unfinished), { opcode, payload: 'y' }, more('z')),
  ),
]);

const masks: FrameCase[] = [
  ...frameOfEachKind.map(([name, frame]) =>
    violation(`${name} masked as it must not be, or not masked as it must`, '5.1', send(frame({ mask: 'wrong' }))),
  ),
  violation(
    'a last fragment masked otherwise than the first',
    '5.1',
    send(text('x', unfinished), more('y', { mask: 'wrong' })),
  ),
  {
    ...violation('a frame masked with zeros by a server', '5.1', send(text('x', { mask: keys.zero }))),
    roles: ['backend'],
  },
  ...Object.entries(keys).map(
    ([name, mask]): FrameCase => ({
      name: `a key of ${name}`,
      rfc: '5.3',
      roles: ['client'],
      steps: [
        send(text('Hello', { mask }), binary('\u0000\u00ff', { mask }), ping('p', { mask }), text('', { mask })),
        answers,
      ],
      delivers: ['Hello', Buffer.from('\u0000\u00ff'), ''],
      outcome: open,
    }),
  ),
  {
    name: 'payloads of 0 to 16 bytes, each with a key of its own',
    rfc: '5.3',
    roles: ['client'],
    steps: Array.from({ length: 17 }, (_, bytes) =>
      send(binary(letters(bytes), { mask: Uint8Array.of(bytes, 255 - bytes, 85, 170) })),
    ),
    delivers: Array.from({ length: 17 }, (_, bytes) => Buffer.from(letters(bytes))),
    outcome: open,
  },
];

const garbage: FrameCase[] = [
  'GET / HTTP/1.1\r\n\r\n',
  '\u0000\u0000\u0000\u0000',
  '\u007f\u007f\u007f',
  '{"a":1}',
].map((bytes) => violation(`${JSON.stringify(bytes)} in place of a frame`, '5.2', send(Buffer.from(bytes))));

export const framing: readonly Section[] = [
  { title: '5.2 lengths', cases: [...lengths, ...longForms, ...huge] },
  { title: '5.2 reserved bits', cases: reservedBits },
  { title: '5.2 opcodes', cases: [...reservedOpcodes, ...garbage] },
  { title: '5.1, 5.3 masks', cases: masks },
];
