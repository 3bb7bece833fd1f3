/** PROTOCOL.md, "Messages". */
export const subprotocol = 'holdfast.v1';

/** U+001E: the first character of a control message. */
const mark = '\u001e';

export interface Control {
  readonly type: string;
  readonly [key: string]: unknown;
}

export const encodeControl = (message: Control): string => mark + JSON.stringify(message);

/** An application text as it goes over the wire. */
export const escapeText = (text: string): string => (text[0] === mark ? mark + text : text);

/** What came: a control message, an application text, or null where it is neither and to be ignored. */
export function decodeText(text: string): Control | string | null {
  if (text[0] !== mark) return text;
  if (text[1] === mark) return text.slice(1);
  try {
    const message: unknown = JSON.parse(text.slice(1));
    return typeof message === 'object' ? (message as Control | null) : null;
  } catch {
    return null;
  }
}
