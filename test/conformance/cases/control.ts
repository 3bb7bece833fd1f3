/** RFC 6455 section 5.5: control frames. */
import {
  answers,
  binary,
  close,
  type FrameCase,
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

/** As many as the gateway answers in a burst. */
const atOnce = 18;

/** Pings of 0 to 125 bytes, no payload twice. */
const echoes: FrameCase[] = Array.from({ length: Math.ceil(126 / atOnce) }, (_, group) => {
  const sizes = Array.from({ length: atOnce }, (_, index) => group * atOnce + index).filter((bytes) => bytes <= 125);
  return {
    name: `pings of ${sizes[0]} to ${sizes.at(-1)} bytes are answered with their payload, in order`,
    rfc: '5.5.3',
    steps: sizes.flatMap((bytes) => [send(ping(letters(bytes))), answers]),
    outcome: open,
  };
});

const answered: FrameCase[] = [
  {
    name: 'a ping whose payload is not UTF-8',
    rfc: '5.5.2',
    steps: [send(ping(Uint8Array.of(0xff, 0xfe, 0x00, 0xc0, 0x80)))],
    outcome: open,
  },
  {
    name: 'ten pings at once',
    rfc: '5.5.3',
    steps: [send(...Array.from({ length: 10 }, (_, index) => ping(`${index}`)))],
    outcome: open,
  },
  {
    name: 'a ping between two messages',
    rfc: '5.5.2',
    steps: [send(text('a'), ping('p'), binary('b'))],
    delivers: ['a', Buffer.from('b')],
    outcome: open,
  },
  {
    name: 'a ping between fragments is answered before the message is whole',
    rfc: '5.4',
    steps: [send(text('a', unfinished)), send(ping('p')), answers, send(more('b'))],
    delivers: ['ab'],
    outcome: open,
  },
  {
    name: 'a ping of 125 bytes behind each of five fragments',
    rfc: '5.4',
    steps: [
      send(text('0', unfinished), ping(letters(125))),
      ...[1, 2, 3].map((n) => send(more(`${n}`, unfinished), ping(letters(125)))),
      answers,
      send(more('4')),
    ],
    delivers: ['01234'],
    outcome: open,
  },
  {
    name: 'a ping between the fragments of a long message',
    rfc: '5.4',
    steps: [send(binary(letters(70_000), unfinished)), send(ping('p')), answers, send(more(letters(70_000)))],
    delivers: [Buffer.from(letters(70_000) + letters(70_000))],
    outcome: open,
    writes: 'as written',
  },
];

const unasked: FrameCase[] = [
  { name: 'a pong nobody asked for', rfc: '5.5.3', steps: [send(pong('x'))], outcome: open },
  { name: 'an empty pong', rfc: '5.5.3', steps: [send(pong())], outcome: open },
  { name: 'a pong of 125 bytes', rfc: '5.5.3', steps: [send(pong(letters(125)))], outcome: open },
  {
    name: 'a hundred pongs, then a message',
    rfc: '5.5.3',
    steps: [send(...Array.from({ length: 100 }, (_, n) => pong(`${n}`)), text('a'))],
    delivers: ['a'],
    outcome: open,
  },
  {
    name: 'pongs between fragments',
    rfc: '5.5.3',
    steps: [send(text('a', unfinished), pong('1'), more('b', unfinished), pong(), more('c'))],
    delivers: ['abc'],
    outcome: open,
  },
];

const kinds = [
  ['ping', ping],
  ['pong', pong],
  ['Close', (payload: string, changes = {}) => close(1000, payload.slice(2), changes)],
] as const;
const forbidden: FrameCase[] = kinds.flatMap(([name, frame]) => [
  violation(`a ${name} of 126 bytes`, '5.5', send(frame(letters(126)))),
  violation(`a ${name} of 127 bytes`, '5.5', send(frame(letters(127)))),
  violation(`a ${name} of 65,536 bytes`, '5.5', { ...send(frame(letters(65_536))), cuts: [2, 10] }),
  violation(
    `a ${name} of 126 bytes between fragments`,
    '5.5',
    send(text('a', unfinished), frame(letters(126)), more('b')),
  ),
  violation(`a ${name} of 5 bytes with its length in 16 bits`, '5.5', send(frame('abcde', { lengthEncoding: 16 }))),
  violation(`a ${name} of 5 bytes with its length in 64 bits`, '5.5', send(frame('abcde', { lengthEncoding: 64 }))),
  violation(`the first two bytes of a ${name} that says 126`, '5.5', send(frame('', { declaredLength: 126 }))),
  violation(`a ${name} that is not final`, '5.5', send(frame('abc', unfinished))),
  violation(`an empty ${name} that is not final`, '5.5', send(frame('', unfinished), more(''))),
  violation(`a ${name} in two fragments`, '5.5', send(frame('abc', unfinished), more('d'))),
  violation(
    `a ${name} that is not final between fragments`,
    '5.5',
    send(text('a', unfinished), frame('', unfinished), more('b')),
  ),
]);

export const control: readonly Section[] = [
  { title: '5.5 pings and pongs', cases: [...echoes, ...answered, ...unasked] },
  { title: '5.5 forbidden control frames', cases: forbidden },
];
