/** TLS of a port of our own: what the server is made with, and new certificates for it while it runs. */
import type { SecureContextOptions, TLSSocket, TlsOptions } from 'node:tls';
import { boundKeyUpdates } from './key-updates.ts';
import { checkValid, readTls, type TlsMaterial } from './tls-files.ts';
import type { ReloadableTls } from './tls-reload.ts';
import type { ListenerTlsSettings } from './tls-settings.ts';

/** What is used of node's https and tls servers. */
export interface SecureServer {
  setSecureContext(options: SecureContextOptions): void;
  on(event: 'secureConnection', listener: (socket: TLSSocket) => void): unknown;
  once(event: 'close', listener: () => void): unknown;
}

export class ListenerTls implements ReloadableTls {
  readonly part: 'clients' | 'admin';
  /** For https.createServer, and as Fastify's `https`. */
  readonly options: TlsOptions;
  readonly #settings: ListenerTlsSettings;
  readonly #key: string;
  readonly #servers = new Set<SecureServer>();

  /**
   * @param part who connects to that port.
   * @param key the option as the user knows it, for instance `tls`.
   * @throws HOLDFAST_ERR_OPTIONS that names the option and the file.
   */
  constructor(settings: ListenerTlsSettings, part: 'clients' | 'admin', key: string) {
    this.#settings = settings;
    this.part = part;
    this.#key = key;
    const asksForCertificate = settings.clientCa !== undefined;
    this.options = {
      ...this.#read().options,
      requestCert: asksForCertificate,
      rejectUnauthorized: asksForCertificate,
      ALPNProtocols: ['http/1.1'],
    };
  }

  /** A server that was made with `options`: from now on `reload` reaches it, and it bounds what TLS itself does not. */
  attach(server: SecureServer): void {
    this.#servers.add(server);
    server.on('secureConnection', boundKeyUpdates);
    server.once('close', () => this.#servers.delete(server));
  }

  /**
   * New connections are served with the new certificate; those there are stay as they are.
   * @throws HOLDFAST_ERR_OPTIONS; then new connections are served as before.
   */
  reload(): Date | null {
    const { options, validTo } = this.#read();
    checkValid(validTo, `${this.#key}.cert`);
    for (const server of this.#servers) server.setSecureContext(options);
    return validTo;
  }

  #read(): TlsMaterial {
    const { cert, key, passphrase, clientCa } = this.#settings;
    return readTls(
      { ca: clientCa, cert, key, passphrase },
      {
        ca: `${this.#key}.clientCa`,
        cert: `${this.#key}.cert`,
        key: `${this.#key}.key`,
        passphrase: `${this.#key}.passphrase`,
      },
    );
  }
}
