/** One pipe, wherever it is: to be looked at, closed or interrupted. A pipe that goes from one gateway to another meanwhile is followed. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Courier } from '../cluster/courier.ts';
import { pipeKey } from '../cluster/keys.ts';
import { StoreFailure } from '../cluster/store.ts';
import { PipeMoving, PipeNotFound } from '../errors.ts';
import type { PipeManager } from '../pipe/pipe-manager.ts';
import { isEnding, isLive } from '../pipe/pipe-state.ts';
import type { CloseOrderInput, PipeDetail, PipeView } from '../pipe/views.ts';
import type { Fleet } from './fleet.ts';
import { closeQuestion, interruptQuestion, pipeQuestion } from './pipe-questions.ts';

type OrderedPipes = Pick<PipeManager, 'pipe' | 'findPipe' | 'closePipe' | 'interruptPipe'>;

/** How long a pipe is followed that moves, and how often it is looked for, milliseconds. */
const followMs = 5000;
const lookMs = 100;

/** What is known of a pipe. */
interface Found {
  /** As it is at the gateway that has it, or had it last; null = nobody who was heard knows it. */
  readonly pipe: (PipeDetail & { readonly gateway: string }) | null;
  /** Why it may be elsewhere all the same; null = all were heard, or need not be. */
  readonly failure: Error | null;
}

export class FleetOrders {
  readonly #manager: OrderedPipes;
  readonly #fleet: Fleet;

  constructor(manager: OrderedPipes, fleet: Fleet) {
    this.#manager = manager;
    this.#fleet = fleet;
  }

  /** Answers what others ask. @returns what ends that. */
  serve(courier: Courier): () => void {
    const stops = [
      courier.serve(pipeQuestion, ({ id }) => {
        const pipe = this.#own(id);
        return pipe && { ...pipe, history: [...pipe.history] };
      }),
      courier.serve(closeQuestion, ({ id, ...order }) => this.#close(id, order)),
      courier.serve(interruptQuestion, ({ id }) => this.#interrupt(id)),
    ];
    return () => {
      for (const stop of stops) stop();
    };
  }

  /**
   * Also one of the last that closed.
   * @throws HOLDFAST_ERR_PIPE_NOT_FOUND; HOLDFAST_ERR_PEER_SILENT or HOLDFAST_ERR_STORE_UNAVAILABLE where it may be at a gateway that was
   * not heard.
   */
  async pipe(id: string): Promise<PipeDetail> {
    const { pipe, failure } = await this.#find(id);
    if (pipe === null) throw failure ?? new PipeNotFound(id);
    return pipe;
  }

  /** @throws as pipe(), and HOLDFAST_ERR_PIPE_MOVING for one that is on its way for long. */
  async close(id: string, order: CloseOrderInput): Promise<void> {
    await this.#follow(
      id,
      () => this.#close(id, order),
      (gateway) => this.#fleet.ask(gateway, closeQuestion, { id, ...order }),
    );
  }

  /** @throws as close(), and HOLDFAST_ERR_PIPE_NOT_ATTACHED */
  async interrupt(id: string): Promise<PipeView> {
    return this.#follow(
      id,
      () => ({ ...this.#interrupt(id), gateway: this.#fleet.id }),
      async (gateway) => ({ ...(await this.#fleet.ask(gateway, interruptQuestion, { id })), gateway }),
    );
  }

  /** Does it where the pipe is, and again where it has moved away meanwhile. */
  async #follow<T>(id: string, here: () => T, there: (gateway: string) => Promise<T>): Promise<T> {
    const until = performance.now() + followMs;
    let known = false;
    for (;;) {
      const { pipe, failure } = await this.#find(id);
      known ||= pipe !== null && (pipe.state !== 'closed' || hasMoved(pipe));
      try {
        if (pipe === null) throw failure ?? new PipeNotFound(id);
        // Without the store no other is heard: there is nothing to wait for.
        if (hasMoved(pipe) && failure instanceof StoreFailure) throw failure;
        if (pipe.state === 'closed') throw new PipeNotFound(id);
        return pipe.gateway === this.#fleet.id ? here() : await there(pipe.gateway);
      } catch (error) {
        const { code } = error as { code?: unknown };
        if (!known || !onItsWay.has(code)) throw error;
        // One that has left and was found nowhere may be at a gateway that was not heard.
        if (performance.now() >= until) throw pipe !== null && hasMoved(pipe) ? (failure ?? error) : error;
      }
      await sleep(lookMs);
    }
  }

  async #find(id: string): Promise<Found> {
    const own = this.#own(id);
    const here = own && { ...own, gateway: this.#fleet.id };
    // What no gateway ever called a pipe no other is asked for.
    if (pipeKey(id) === null || (own !== null && isLive(own.state))) return { pipe: here, failure: null };
    const enough = (pipe: PipeDetail | null): boolean => pipe !== null && isLive(pipe.state);
    const { answers, failure } = await this.#fleet.askAll(pipeQuestion, { id }, { enough, lapsed: true });
    const others = answers.flatMap(({ gateway, answer }) => (answer === null ? [] : [{ ...answer, gateway }]));
    const [pipe = null] = [...(here === null ? [] : [here]), ...others].sort((one, two) => rank(one) - rank(two));
    return { pipe, failure };
  }

  #own(id: string): PipeDetail | null {
    try {
      return this.#manager.pipe(id);
    } catch (error) {
      if (error instanceof PipeNotFound) return null;
      throw error;
    }
  }

  #close(id: string, order: CloseOrderInput): null {
    this.#checkHere(id);
    this.#manager.closePipe(id, order);
    return null;
  }

  #interrupt(id: string): PipeView {
    this.#checkHere(id);
    return this.#manager.interruptPipe(id);
  }

  /** One that leaves would be there again at the next gateway. @throws HOLDFAST_ERR_PIPE_MOVING */
  #checkHere(id: string): void {
    if (this.#manager.findPipe(id)?.state === 'moving') throw new PipeMoving(id);
  }
}

/** Errors after which a pipe that was there may be at another gateway. */
const onItsWay: ReadonlySet<unknown> = new Set([
  'HOLDFAST_ERR_PIPE_NOT_FOUND',
  'HOLDFAST_ERR_PIPE_MOVING',
  'HOLDFAST_ERR_GATEWAY_NOT_FOUND',
]);

/** Which gateway knows it best: the one that has it, then the one that it leaves, then the one where it ended. */
function rank(pipe: PipeDetail): number {
  if (isLive(pipe.state)) return 0;
  if (!isEnding(pipe.state)) return 1;
  if (pipe.state === 'closing') return 2;
  return hasMoved(pipe) ? 4 : 3;
}

function hasMoved({ state, history }: PipeDetail): boolean {
  return state === 'closed' && history.at(-1)?.fields.reason === 'moved';
}
