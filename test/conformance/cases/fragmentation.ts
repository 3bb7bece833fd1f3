/** RFC 6455 section 5.4: fragments; and messages up to the limit in up to 16,000 of them. */
import {
  binary,
  close,
  type FrameCase,
  type FrameSpec,
  letters,
  more,
  open,
  ping,
  type Section,
  send,
  text,
  unfinished,
  violation,
} from '../case.ts';
import { maxMessageBytes } from '../rigs.ts';

/** `payload` in `parts` fragments as even as can be. */
function fragments(payload: string, parts: number, kind: typeof text = text): FrameSpec[] {
  const at = (part: number): number => Math.floor((payload.length * part) / parts);
  return Array.from({ length: parts }, (_, part) => {
    const piece = payload.slice(at(part), at(part + 1));
    const changes = part === parts - 1 ? {} : unfinished;
    return part === 0 ? kind(piece, changes) : more(piece, changes);
  });
}

const good: FrameCase[] = [
  ...[
    ['', ''],
    ['', 'a'],
    ['a', ''],
    ['a', 'b'],
    ['', '', ''],
    ['', '', 'a'],
    ['a', '', ''],
    ['a', '', 'b'],
    ['', 'a', ''],
    ['a', 'b', 'c', 'd', 'e'],
    [letters(125), letters(126)],
    [letters(126), letters(125), letters(127)],
    [letters(65_535), letters(65_536), letters(1)],
  ].flatMap((parts): FrameCase[] => {
    const frames = (kind: typeof text): FrameSpec[] =>
      parts.map((part, index) => {
        const changes = index === parts.length - 1 ? {} : unfinished;
        return index === 0 ? kind(part, changes) : more(part, changes);
      });
    const sizes = parts.map((part) => part.length).join(' + ');
    return [
      {
        name: `a text of ${sizes} bytes`,
        rfc: '5.4',
        steps: [send(...frames(text))],
        delivers: [parts.join('')],
        outcome: open,
      },
      {
        name: `a binary message of ${sizes} bytes between two others`,
        rfc: '5.4',
        steps: [send(text('before'), ...frames(binary), binary('after'))],
        delivers: ['before', Buffer.from(parts.join('')), Buffer.from('after')],
        outcome: open,
      },
    ];
  }),
  {
    name: 'fragments of one byte, each in a write of its own',
    rfc: '5.4',
    steps: fragments(letters(60), 60).map((frame) => send(frame)),
    delivers: [letters(60)],
    outcome: open,
  },
  {
    name: 'two fragmented messages behind each other',
    rfc: '5.4',
    steps: [send(...fragments('abc', 3), ...fragments('defg', 2, binary))],
    delivers: ['abc', Buffer.from('defg')],
    outcome: open,
  },
];

const bad: FrameCase[] = [
  violation('a continuation without a beginning', '5.4', send(more('x'))),
  violation('an empty continuation without a beginning', '5.4', send(more())),
  violation('a continuation without a beginning that is not final', '5.4', send(more('x', unfinished), more('y'))),
  violation('a continuation behind a message of one frame', '5.4', send(text('a'), more('x'))),
  violation('a continuation behind a ping', '5.4', send(ping('a'), more('x'))),
  ...[text, binary].flatMap((first) =>
    [text, binary].flatMap((second) => {
      const name = `a ${second === text ? 'text' : 'binary'} frame inside a fragmented ${first === text ? 'text' : 'binary message'}`;
      return [
        violation(name, '5.4', send(first('a', unfinished), second('x'))),
        violation(`${name}, not final`, '5.4', send(first('a', unfinished), second('x', unfinished))),
        violation(
          `${name}, behind two fragments`,
          '5.4',
          send(first('', unfinished), more('', unfinished), second('')),
        ),
        violation(`${name}, behind a ping`, '5.4', send(first('a', unfinished), ping('p'), second('x'), more('b'))),
      ];
    }),
  ),
].map((one) =>
  // Whole messages before the violation arrive.
  one.name.includes('of one frame') ? { ...one, delivers: ['before', 'a'] } : one,
);

const inside: FrameCase[] = [
  {
    name: 'a Close inside a fragmented message ends the connection, and the half message is not delivered',
    rfc: '5.4',
    steps: [send(text('before'), text('half', unfinished), close(1000, 'bye'))],
    delivers: ['before'],
    outcome: { kind: 'closes', code: 1000, reason: 'bye' },
  },
];

const sizes = [0, 1, 125, 126, 65_535, 65_536, 1_000_000, maxMessageBytes - 1, maxMessageBytes];
const counts = [1, 2, 3, 10, 125, 1000, 16_000];
const mostFragmented = [0, 65_536, maxMessageBytes];
const whole = letters(maxMessageBytes);

const long: FrameCase[] = sizes.flatMap((bytes) =>
  counts
    // The longest ones, and the most fragments, in a few forms only.
    .filter((parts) =>
      parts === 16_000 ? mostFragmented.includes(bytes) : bytes <= 65_536 || parts === 1 || parts === 3,
    )
    .map((parts): FrameCase => {
      const payload = whole.slice(0, bytes);
      return {
        name: `a binary message of ${bytes} bytes in ${parts} fragments`,
        rfc: '5.4',
        steps: [send(...fragments(payload, parts, binary))],
        delivers: [Buffer.from(payload)],
        outcome: open,
        writes: 'as written',
      };
    }),
);

export const fragmentation: readonly Section[] = [
  { title: '5.4 fragments', cases: [...good, ...inside] },
  { title: '5.4 forbidden fragments', cases: bad },
  { title: '5.4 messages of 0 bytes to the limit in 1 to 16,000 fragments', cases: long },
];
