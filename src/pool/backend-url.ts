/** Reads, compares and shows the address of a backend. */
import { BackendUrlInvalid } from '../errors.ts';

const maxLength = 2048;

/**
 * @param text ws:// or wss:// address, at most 2,048 characters, also once it is percent-encoded, without credentials and without #fragment.
 * @throws HOLDFAST_ERR_BACKEND_URL with the reason; a password or query in the text is not repeated in the message.
 */
export function parseBackendUrl(text: string): URL {
  if (typeof text !== 'string') throw new BackendUrlInvalid(typeof text, 'it is not a string');
  if (text.length > maxLength) throw invalid(text, `it is longer than ${maxLength} characters`);
  if (!URL.canParse(text)) throw invalid(text, 'it cannot be read as a URL');
  const url = new URL(text);
  if (url.href.length > maxLength) throw invalid(text, `percent-encoded it is longer than ${maxLength} characters`);
  if (url.protocol !== 'ws:' && url.protocol !== 'wss:')
    throw invalid(text, `${url.protocol}// is not ws:// or wss://`);
  if (url.username !== '' || url.password !== '') throw invalid(text, 'it has credentials in it');
  if (text.includes('#')) throw invalid(text, 'it has a #fragment');
  if (url.port === '0') throw invalid(text, 'port 0 cannot be connected to');
  return url;
}

/**
 * The same for two spellings of one address: case of the host, default port and a slash at the end do not count. One with credentials or a
 * #fragment is that of no backend.
 */
export function backendUrlKey({ protocol, username, password, host, pathname, search, hash }: URL): string {
  const credentials = username === '' && password === '' ? '' : `${username}:${password}@`;
  return `${protocol}//${credentials}${host}${pathname.replace(/\/$/, '')}${search}${hash}`;
}

/** The address without its query string, for events, views and metrics. */
export function backendUrlText(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`;
}

/** What a caller gave as an address, fit for a message: without query and credentials, at most 200 characters. */
export function shownUrl(text: string): string {
  const question = text.search(/[?#]/);
  const scheme = /^[a-z][a-z\d+.-]*:/i.exec(text)?.[0] ?? '';
  const at = text.lastIndexOf('@');
  // A password may have any character in it: where there is an @, nothing before it is shown, and nothing at all where it may be of a query.
  const rest = question >= 0 && question < at ? '' : `@${text.slice(at + 1)}`;
  return (at < 0 ? text : `${scheme}//***${rest}`)
    .replace(/[?#].*$/s, '')
    .replace(/\p{Cc}/gu, ' ')
    .slice(0, 200);
}

function invalid(text: string, reason: string): Error {
  return new BackendUrlInvalid(shownUrl(text), reason);
}
