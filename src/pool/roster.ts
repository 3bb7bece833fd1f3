/** Who is registered: by id, by address and in the order of registration. */
import type { Backend } from './backend.ts';
import { backendUrlKey } from './backend-url.ts';

export class Roster {
  readonly #byId = new Map<string, Backend>();
  readonly #byUrl = new Map<string, Backend>();
  #list: readonly Backend[] = [];

  /** Replaced, never changed: it may be kept, and a scan survives a removal in the middle. */
  get list(): readonly Backend[] {
    return this.#list;
  }

  find(id: string): Backend | undefined {
    return this.#byId.get(id);
  }

  /** In any spelling of the address, query string included. */
  findByUrl(url: URL): Backend | undefined {
    return this.#byUrl.get(backendUrlKey(url));
  }

  /** Id and address are not taken; the caller has checked. */
  add(backend: Backend): void {
    this.#byId.set(backend.id, backend);
    this.#byUrl.set(backend.urlKey, backend);
    this.#list = [...this.#list, backend];
  }

  delete(backend: Backend): void {
    this.#byId.delete(backend.id);
    this.#byUrl.delete(backend.urlKey);
    this.#list = this.#list.filter((other) => other !== backend);
  }

  /** Host and port in the characters an id may have; with a number behind it if that is taken. */
  makeId(url: URL): string {
    const base =
      url.host
        .replace(/[^A-Za-z0-9._-]+/g, '-')
        .replace(/^[.-]+|-$/g, '')
        .slice(0, 56) || 'backend';
    let id = base;
    for (let number = 2; this.#byId.has(id); number += 1) id = `${base}-${number}`;
    return id;
  }
}
