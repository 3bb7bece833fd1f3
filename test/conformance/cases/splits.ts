/** RFC 6455 knows no reads: any split of the bytes means the same (5.2). Every split of short sequences, sampled ones of long sequences. */
import {
  binary,
  bytesOf,
  type FrameCase,
  type FrameSpec,
  letters,
  type Message,
  more,
  open,
  pong,
  type Role,
  type Section,
  type Step,
  seeded,
  sizeOf,
  text,
  unfinished,
} from '../case.ts';

export interface Sequence {
  readonly name: string;
  readonly frames: readonly FrameSpec[];
  readonly delivers: readonly Message[];
}

const short: readonly Sequence[] = [
  {
    name: 'a text, a pong, a fragmented text and an empty binary message',
    frames: [text('Hi'), pong('p'), text('a', unfinished), more('b'), binary('')],
    delivers: ['Hi', 'ab', Buffer.from('')],
  },
  {
    name: 'a pong inside a fragmented text, with empty fragments',
    frames: [text('', unfinished), more('a', unfinished), pong(), more(''), text('z')],
    delivers: ['a', 'z'],
  },
];
const headers: readonly Sequence[] = [
  { name: 'a message of 126 bytes', frames: [binary(letters(126))], delivers: [Buffer.from(letters(126))] },
  { name: 'a message of 65,536 bytes', frames: [binary(letters(65_536))], delivers: [Buffer.from(letters(65_536))] },
];
const roles: readonly Role[] = ['client', 'backend'];

/** The sequence once for each of the `splits`, on one connection. */
export function everyOne(
  name: string,
  role: Role,
  { frames, delivers }: Sequence,
  splits: readonly (readonly number[])[],
): FrameCase {
  return {
    name: `${name} (${splits.length} splits, ${role})`,
    rfc: '5.2',
    roles: [role],
    steps: splits.map((cuts): Step => ({ send: frames, cuts })),
    delivers: splits.flatMap(() => delivers),
    outcome: open,
    writes: 'as written',
  };
}

export const range = (from: number, to: number): number[] =>
  Array.from({ length: Math.max(0, to - from) }, (_, index) => from + index);
export const pairs = (size: number): number[][] =>
  range(1, size).flatMap((first) => range(first + 1, size).map((second) => [first, second]));

const everySplit: FrameCase[] = roles.flatMap((role) => [
  ...short.flatMap((sequence) => {
    const size = sizeOf(sequence.frames, role);
    return [
      everyOne(
        `every cut of ${sequence.name}`,
        role,
        sequence,
        range(1, size).map((at) => [at]),
      ),
      everyOne(`every two cuts of ${sequence.name}`, role, sequence, pairs(size)),
      everyOne(`each byte by itself of ${sequence.name}`, role, sequence, [range(1, size)]),
    ];
  }),
  ...headers.map((sequence) => {
    const header = sizeOf(sequence.frames, role) - sizeOf([], role) - (sequence.frames[0]!.payload?.length ?? 0);
    return everyOne(`every one and two cuts of the header of ${sequence.name}`, role, sequence, [
      ...range(1, header + 3).map((at) => [at]),
      ...pairs(header + 2),
    ]);
  }),
]);

/** Messages of all sizes in fragments, pongs between them, cut anywhere; the same for the same seed. */
function sampled(seed: number, role: Role): FrameCase {
  const random = seeded(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  const frames: FrameSpec[] = [];
  const delivers: Message[] = [];
  for (let message = 0; message < 8; message += 1) {
    const kind = random() < 0.5 ? text : binary;
    const parts = range(0, 1 + below(4)).map(() => letters([0, 1, below(130), below(300), below(70_000)][below(5)]!));
    parts.forEach((part, index) => {
      const changes = index === parts.length - 1 ? {} : unfinished;
      frames.push(index === 0 ? kind(part, changes) : more(part, changes));
      if (random() < 0.3) frames.push(pong(letters(below(126))));
    });
    delivers.push(kind === text ? parts.join('') : Buffer.from(parts.join('')));
  }
  const size = bytesOf(frames, role).length;
  const cuts = range(0, 60).map(() => 1 + below(size - 1));
  return {
    name: `eight messages of ${size} bytes cut at 60 places (seed ${seed}, ${role})`,
    rfc: '5.2',
    roles: [role],
    steps: [{ send: frames, cuts: cuts.sort((a, b) => a - b) }],
    delivers,
    outcome: open,
    writes: 'as written',
  };
}

export const splits: readonly Section[] = [
  { title: '5.2 every split of short sequences', cases: everySplit },
  {
    title: '5.2 sampled splits of long sequences',
    cases: roles.flatMap((role) => range(1, 21).map((seed) => sampled(seed, role))),
  },
];
