import type { DialError, DialFunction } from '../../src/link/dial.ts';
import { FakeBackend, FakeBackendLink } from './fake-backend.ts';
import type { FakeClock } from './fake-clock.ts';
import { stir } from './fake-socket.ts';

/** All backends, and the DialFunction that reaches them. */
export class FakeNetwork {
  readonly backends: FakeBackend[];
  /** In the order of their beginning. */
  readonly links: FakeBackendLink[] = [];
  /** What a handler of a dial threw. */
  onError: (error: unknown) => void = (error) => {
    throw error;
  };
  readonly #clock: FakeClock;

  constructor(clock: FakeClock, backends: number) {
    this.#clock = clock;
    this.backends = Array.from({ length: backends }, (_, at) => new FakeBackend(`b${at}`));
  }

  readonly dial: DialFunction = (target, given) => {
    const backend = this.backends.find((one) => target.url.hostname === one.id)!;
    const mode = backend.dialMode;
    let handlers: typeof given | null = given;
    const settleWith = (act: (one: typeof given) => void) => {
      stir();
      const one = handlers;
      handlers = null;
      if (one === null) return;
      try {
        act(one);
      } catch (error) {
        this.onError(error);
      }
    };
    const fail = (error: DialError) => settleWith((one) => one.dialFailed(error));
    const accept = () =>
      settleWith((one) => {
        const link = new FakeBackendLink(backend, this.links.length + 1, target.headers, this.#clock);
        link.failure = backend.nextFailure;
        backend.nextFailure = null;
        backend.links.push(link);
        this.links.push(link);
        one.dialed({ socket: link.socket, protocol: '', head: Buffer.alloc(0), ticket: null });
      });
    stir();
    if (mode === 'accept') queueMicrotask(accept);
    else if (mode === 'refuse') queueMicrotask(() => fail({ failure: 'refused', detail: 'ECONNREFUSED' }));
    else if (mode === 'refuse-client') {
      queueMicrotask(() => fail({ failure: 'status', detail: 'answered with status 403', statusCode: 403 }));
    } else if (mode !== 'hang') this.#clock.setTimeout(accept, mode.slowMs);
    return {
      abort: () => {
        handlers = null;
      },
      timeOut: (timeoutMs) => fail({ failure: 'timeout', detail: `no handshake within ${timeoutMs} ms` }),
    };
  };
}
