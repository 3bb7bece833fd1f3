import { StoreFailure, type StoreFailureReason } from '../store.ts';

/** Words in what Redis and Valkey answer: first, or after the name of the script. */
const answers: Readonly<Record<string, StoreFailureReason>> = {
  OOM: 'full',
  WRONGPASS: 'denied',
  NOAUTH: 'denied',
  NOPERM: 'denied',
  READONLY: 'unwritable',
  LOADING: 'unwritable',
  MASTERDOWN: 'unwritable',
  CLUSTERDOWN: 'unwritable',
  NOREPLICAS: 'unwritable',
  MISCONF: 'unwritable',
  BUSY: 'timeout',
};
const answerWords = new RegExp(`\\b(${Object.keys(answers).join('|')})\\b`);
/** Errors that the package makes itself, and what the network says. */
const disconnected =
  /^(ClientOffline|ClientClosed|SocketClosed|SocketTimeout|ConnectionTimeout|Disconnects|ReconnectStrategy|Abort)/;
const networkCodes =
  /^(ECONN|ETIMEDOUT|EPIPE|EHOST|ENET|ENOTFOUND|EAI_|CERT_|ERR_TLS|ERR_SSL|DEPTH_ZERO|UNABLE_|SELF_SIGNED)/;

/** What an error of the client means. Its text stays in `cause`: it may name a user or an address. */
export function storeFailure(error: unknown): StoreFailure {
  if (error instanceof StoreFailure) return error;
  return new StoreFailure(reasonOf(error), error);
}

function reasonOf(error: unknown): StoreFailureReason {
  if (!(error instanceof Error)) return 'failed';
  const word = answerWords.exec(error.message)?.[1];
  if (word !== undefined) return answers[word]!;
  const { code } = error as NodeJS.ErrnoException;
  if (disconnected.test(error.constructor.name) || networkCodes.test(code ?? '')) return 'disconnected';
  return 'failed';
}

/** The server answers, but is not the one to write to: another may be behind the same address by now. */
export function isDemoted(error: unknown): boolean {
  return error instanceof Error && /\b(READONLY|MASTERDOWN)\b/.test(error.message);
}
