/** Reads, compares and shows the address of a backend. */
import { BackendUrlInvalid } from '../errors.ts';

const maxLength = 2048;

/**
 * @param text ws:// or wss:// address, at most 2,048 characters, without credentials and without #fragment.
 * @throws HOLDFAST_ERR_BACKEND_URL with the reason; a password or query in the text is not repeated in the message.
 */
export function parseBackendUrl(text: string): URL {
  if (typeof text !== 'string') throw new BackendUrlInvalid(typeof text, 'it is not a string');
  if (text.length > maxLength) throw invalid(text, `it is longer than ${maxLength} characters`);
  if (!URL.canParse(text)) throw invalid(text, 'it cannot be read as a URL');
  const url = new URL(text);
  if (url.protocol !== 'ws:' && url.protocol !== 'wss:')
    throw invalid(text, `${url.protocol}// is not ws:// or wss://`);
  if (url.username !== '' || url.password !== '') throw invalid(text, 'it has credentials in it');
  if (text.includes('#')) throw invalid(text, 'it has a #fragment');
  if (url.port === '0') throw invalid(text, 'port 0 cannot be connected to');
  return url;
}

/** The same for two spellings of one address: case of the host, default port and a slash at the end do not count. */
export function backendUrlKey(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname.replace(/\/$/, '')}${url.search}`;
}

/** The address without its query string, for events, views and metrics. */
export function backendUrlText(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`;
}

/** What a caller gave as an address, fit for a message: without query and credentials, at most 200 characters. */
export function shownUrl(text: string): string {
  return text
    .replace(/[?#].*$/s, '')
    .replace(/\/\/.*@/s, '//***@')
    .replace(/\p{Cc}/gu, ' ')
    .slice(0, 200);
}

function invalid(text: string, reason: string): Error {
  return new BackendUrlInvalid(shownUrl(text), reason);
}
