/** holdfast.v1 (docs/PROTOCOL.md): the first payload byte of a text decides whose it is, however the message is cut and split. */
import { binary, type FrameCase, more, open, pong, type Section, send, sizeOf, text, unfinished } from '../case.ts';
import { everyOne, pairs, range, type Sequence } from './splits.ts';

const mark = '\u001e';

const marked: readonly FrameCase[] = [
  ...[mark, `${mark}a`, `${mark}{"type":"ping"}`, `${mark}${mark}`].map(
    (value): FrameCase => ({
      name: `the application's ${JSON.stringify(value)}`,
      rfc: '5.6',
      steps: [send(text(mark + value))],
      delivers: [value],
      outcome: open,
      rewritten: true,
    }),
  ),
  {
    name: 'U+001E in a binary message means nothing',
    rfc: '5.6',
    steps: [send(binary(`${mark}{"type":"ping"}`))],
    delivers: [Buffer.from(`${mark}{"type":"ping"}`)],
    outcome: open,
  },
  {
    name: 'U+001E behind the first byte means nothing',
    rfc: '5.6',
    steps: [send(text(`a${mark}`), text('', unfinished), more(`b${mark}`))],
    delivers: [`a${mark}`, `b${mark}`],
    outcome: open,
  },
  {
    name: 'U+001E at the beginning of a later fragment means nothing',
    rfc: '5.4',
    steps: [send(text('a', unfinished), more(`${mark}{"type":"ping"}`))],
    delivers: [`a${mark}{"type":"ping"}`],
    outcome: open,
  },
  {
    name: 'a control message in fragments, with pongs between them, is none of the application\u2019s',
    rfc: '5.4',
    steps: [
      send(
        text('', unfinished),
        pong('1'),
        more(mark, unfinished),
        pong('2'),
        more('{"type":', unfinished),
        more('"ping"}'),
      ),
      send(text('a')),
    ],
    delivers: ['a'],
    outcome: open,
    rewritten: true,
  },
];

const short: Sequence = {
  name: 'marked and plain texts in fragments and a control message of an unknown type',
  frames: [
    text(`${mark}${mark}a`),
    text('', unfinished),
    more(mark, unfinished),
    more(`${mark}b`),
    text(`${mark}{"type":"x"}`),
    text('', unfinished),
    more('c'),
    binary(mark),
  ],
  delivers: [`${mark}a`, `${mark}b`, 'c', Buffer.from(mark)],
};
const size = sizeOf(short.frames, 'client');
const split = [
  everyOne(
    `every cut of ${short.name}`,
    'client',
    short,
    range(1, size).map((at) => [at]),
  ),
  everyOne(
    `two cuts, every third pair, of ${short.name}`,
    'client',
    short,
    pairs(size).filter((_, index) => index % 3 === 0),
  ),
  everyOne(`each byte by itself of ${short.name}`, 'client', short, [range(1, size)]),
].map((one) => ({ ...one, rewritten: true as const }));

export const records: readonly Section[] = [
  { title: 'holdfast.v1 texts that begin with U+001E', cases: marked },
  { title: 'holdfast.v1 every split of them', cases: split },
];
