/** RFC 6455 section 5.6 and 8.1: what texts may be. The gateway hands them through; the ends judge them. */
import { binary, type FrameCase, letters, more, open, type Section, send, text, unfinished } from '../case.ts';

const valid: readonly (readonly [name: string, value: string])[] = [
  ['ASCII', letters(40)],
  ['NUL', '\u0000'],
  ['a byte order mark', '\ufeffabc'],
  ['the ends of each length', '\u0001\u007f\u0080\u07ff\u0800\uffff\u{10000}\u{10ffff}'],
  ['the neighbours of the surrogates', '\ud7ff\ue000'],
  ['noncharacters', '\ufdd0\ufffe\uffff\u{1fffe}'],
  ['the replacement character', '\ufffd'],
  ['a control character', '\u001b\u001e\u007f'],
  ['Greek', '\u03ba\u1f79\u03c3\u03bc\u03b5'],
  ['a family of emoji', '\u{1f468}\u200d\u{1f469}\u200d\u{1f467}'],
];

const invalid: readonly (readonly [name: string, bytes: readonly number[]])[] = [
  ['a lone continuation byte 80', [0x80]],
  ['a lone continuation byte bf', [0xbf]],
  ['a two-byte character without its end', [0xc3]],
  ['a three-byte character without its last byte', [0xe2, 0x82]],
  ['a three-byte character without its last two', [0xe2]],
  ['a four-byte character without its last byte', [0xf0, 0x9f, 0x98]],
  ['a character cut by a letter', [0xc3, 0x28]],
  ['an overlong slash of two bytes', [0xc0, 0xaf]],
  ['an overlong slash of three bytes', [0xe0, 0x80, 0xaf]],
  ['an overlong slash of four bytes', [0xf0, 0x80, 0x80, 0xaf]],
  ['the largest overlong of two bytes', [0xc1, 0xbf]],
  ['the largest overlong of three bytes', [0xe0, 0x9f, 0xbf]],
  ['the largest overlong of four bytes', [0xf0, 0x8f, 0xbf, 0xbf]],
  ['U+D800', [0xed, 0xa0, 0x80]],
  ['U+DFFF', [0xed, 0xbf, 0xbf]],
  ['a surrogate pair', [0xed, 0xa0, 0x80, 0xed, 0xb0, 0x80]],
  ['U+110000', [0xf4, 0x90, 0x80, 0x80]],
  ['a five-byte form', [0xf8, 0x88, 0x80, 0x80, 0x80]],
  ['a six-byte form', [0xfc, 0x84, 0x80, 0x80, 0x80, 0x80]],
  ['fe', [0xfe]],
  ['ff', [0xff]],
];

const handedThrough: FrameCase[] = valid.flatMap(([name, value]): FrameCase[] => {
  const bytes = Buffer.from(value);
  return [
    { name: `${name}, in one frame`, rfc: '5.6', steps: [send(text(value))], delivers: [value], outcome: open },
    {
      name: `${name}, a fragment for each byte`,
      rfc: '5.4',
      steps: Array.from(bytes, (byte, index) => {
        const changes = index === bytes.length - 1 ? {} : unfinished;
        return send(index === 0 ? text(Uint8Array.of(byte), changes) : more(Uint8Array.of(byte), changes));
      }),
      delivers: [value],
      outcome: open,
    },
  ];
});

const everyCut: FrameCase[] = Array.from({ length: Buffer.byteLength('\u20ac\u{1f600}\u00e9') + 1 }, (_, at) => {
  const value = '\u20ac\u{1f600}\u00e9';
  const bytes = Buffer.from(value);
  return {
    name: `a text of three characters in two fragments, the second from byte ${at}`,
    rfc: '5.4',
    steps: [send(text(bytes.subarray(0, at), unfinished)), send(more(bytes.subarray(at)))],
    delivers: [value],
    outcome: open,
  };
});

const rejected: FrameCase[] = invalid.flatMap(([name, list]): FrameCase[] => {
  const bytes = Uint8Array.from(list);
  const outcome = { kind: 'rejects', code: 1007 } as const;
  const cases: FrameCase[] = [
    { name: `a text that is not UTF-8: ${name}`, rfc: '8.1', steps: [send(text(bytes))], outcome },
    {
      name: `a text that is not UTF-8 in its last fragment: ${name}`,
      rfc: '8.1',
      steps: [send(text('good', unfinished)), send(more(bytes))],
      outcome,
    },
    {
      name: `a text that is not UTF-8 in its first fragment: ${name}`,
      rfc: '8.1',
      steps: [send(text(bytes, unfinished)), send(more('good'))],
      outcome,
    },
  ];
  const asBinary: FrameCase = {
    name: `the same in a binary message: ${name}`,
    rfc: '5.6',
    steps: [send(binary(bytes))],
    delivers: [bytes],
    outcome: open,
  };
  return [...cases, asBinary];
});

/** On a plain connection U+001E means nothing. */
export const plainMarks: Section = {
  title: '5.6 texts that begin with U+001E, without holdfast.v1',
  cases: ['\u001e', '\u001ea', '\u001e\u001eb', '\u001e{"type":"ping"}'].map((value) => ({
    name: JSON.stringify(value),
    rfc: '5.6',
    steps: [send(text(value))],
    delivers: [value],
    outcome: open,
  })),
};

export const utf8: readonly Section[] = [
  { title: '5.6 UTF-8 handed through', cases: [...handedThrough, ...everyCut] },
  { title: '8.1 texts that are not UTF-8', cases: rejected },
];
