/** TLS towards wss:// backends: what each dial uses, read anew on `reload`. */
import type { ConnectionOptions } from 'node:tls';
import { checkValid, readTls } from './tls-files.ts';
import type { ReloadableTls } from './tls-reload.ts';
import type { BackendTlsSettings } from './tls-settings.ts';

export class BackendTls implements ReloadableTls {
  readonly part = 'backends';
  readonly #settings: BackendTlsSettings;
  #current: ConnectionOptions;

  /** @throws HOLDFAST_ERR_OPTIONS that names the option and the file. */
  constructor(settings: BackendTlsSettings) {
    this.#settings = settings;
    this.#current = this.#read().connection;
  }

  /** For the next dial; connections there are keep what they were made with. */
  get current(): ConnectionOptions {
    return this.#current;
  }

  /** @throws HOLDFAST_ERR_OPTIONS; then the next dials use what they used before. */
  reload(): Date | null {
    const { connection, validTo } = this.#read();
    checkValid(validTo, 'backendTls.cert');
    this.#current = connection;
    return validTo;
  }

  #read(): { connection: ConnectionOptions; validTo: Date | null } {
    const { servername, rejectUnauthorized = true, ...sources } = this.#settings;
    const { context, validTo } = readTls(sources, {
      ca: 'backendTls.ca',
      cert: 'backendTls.cert',
      key: 'backendTls.key',
      passphrase: 'backendTls.passphrase',
    });
    const connection = {
      secureContext: context,
      rejectUnauthorized,
      ...(servername === undefined ? {} : { servername }),
    };
    return { connection, validTo };
  }
}
