/** RFC 6455 section 7.1.5 and 7.2: connections that end without a Close, at each point of a frame. */
import {
  answers,
  binary,
  close,
  type FrameCase,
  type FrameSpec,
  letters,
  lost,
  more,
  ping,
  type Section,
  send,
  sizeOf,
  text,
  unfinished,
} from '../case.ts';

const ends = ['fin', 'reset'] as const;
const endName = { fin: 'a FIN', reset: 'a reset' } as const;

const half: readonly (readonly [name: string, frames: readonly FrameSpec[]])[] = [
  ['a text of 5 bytes', [text('Hello')]],
  ['an empty binary message', [binary('')]],
  ['a binary message of 126 bytes', [binary(letters(126))]],
  ['a binary message of 65,536 bytes', [binary(letters(65_536))]],
  ['a fragmented text', [text('He', unfinished), more('l', unfinished), more('lo')]],
  ['a fragmented text with a ping inside', [text('He', unfinished), ping('p'), more('llo')]],
  ['a ping', [ping('abc')]],
  ['a Close with a reason', [close(1000, 'bye')]],
];

/** Every point of the headers and of short frames, some of a long payload. */
function points(size: number): number[] {
  const all = Array.from({ length: size - 1 }, (_, index) => index + 1);
  return all.filter((at) => at <= 18 || at === size - 1 || at === size >> 1);
}

/** The two roles' frames differ by the mask, and so do their points. */
const cut: FrameCase[] = (['client', 'backend'] as const).flatMap((role) =>
  half.flatMap(([name, frames]) =>
    points(sizeOf(frames, role)).flatMap((first) =>
      ends.map(
        (end): FrameCase => ({
          name: `${endName[end]} behind ${first} of the ${sizeOf(frames, role)} bytes of ${name}`,
          rfc: '7.1.5',
          roles: [role],
          steps: [send(text('before')), answers, { send: frames, first }, { end }],
          delivers: ['before'],
          outcome: lost,
          writes: 'as written',
        }),
      ),
    ),
  ),
);

const between: FrameCase[] = ends.flatMap((end): FrameCase[] => [
  { name: `${endName[end]} at once`, rfc: '7.1.5', steps: [{ end }], outcome: lost, writes: 'as written' },
  {
    name: `${endName[end]} between two messages`,
    rfc: '7.1.5',
    steps: [send(text('before')), answers, { end }],
    delivers: ['before'],
    outcome: lost,
    writes: 'as written',
  },
  {
    name: `${endName[end]} between two fragments`,
    rfc: '7.1.5',
    steps: [send(text('before')), answers, send(text('half', unfinished), ping('p')), answers, { end }],
    delivers: ['before'],
    outcome: lost,
    writes: 'as written',
  },
]);

const behindData: FrameCase[] = [
  {
    name: 'a FIN right behind three messages, which arrive',
    rfc: '7.1.5',
    steps: [send(text('a'), binary('b'), text('c', unfinished), more('d')), { end: 'fin' }],
    delivers: ['a', Buffer.from('b'), 'cd'],
    outcome: lost,
    writes: 'as written',
  },
  {
    name: 'a FIN right behind a message and half another, of which the whole one arrives',
    rfc: '7.1.5',
    steps: [send(text('a')), { send: [binary(letters(1000))], first: 700 }, { end: 'fin' }],
    delivers: ['a'],
    outcome: lost,
    writes: 'as written',
  },
];

export const endings: readonly Section[] = [
  { title: '7.1.5 half frames, then FIN or reset', cases: cut },
  { title: '7.1.5 ends between frames', cases: [...between, ...behindData] },
];
