/** All gateways in one answer, whichever is asked: pipes, statistics, backends, and the orders that all of them carry out. */
import { type Static, Type } from 'typebox';
import type { Courier, Question } from '../cluster/courier.ts';
import type { Membership } from '../cluster/membership.ts';
import { BackendDraining, BackendNotFound } from '../errors.ts';
import { type StatsQuery, type StatsView, statsView } from '../observe/stats.ts';
import { sumReports } from '../observe/stats-sum.ts';
import type { PipeManager } from '../pipe/pipe-manager.ts';
import { ownGateway } from '../pipe/pipe-pages.ts';
import type { CloseOrderInput, PipePeers, PrincipalClosed, RebalanceView } from '../pipe/views.ts';
import { type BackendFigures, backendsQuestion } from './backend-figures.ts';
import { completeness, Fleet, type Heard } from './fleet.ts';
import { FleetAudit } from './fleet-audit.ts';
import { FleetOrders } from './fleet-orders.ts';
import { FleetPipes } from './fleet-pipes.ts';
import { principalQuestion } from './pipe-questions.ts';
import { statsQuestion } from './stats-question.ts';

/** Rates below 1 are those of many gateways together. */
const rebalanceQuestion = {
  kind: 'rebalance',
  asks: Type.Object(
    {
      id: Type.String({ maxLength: 64 }),
      pipesPerSecond: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 100_000 })),
      timeoutMs: Type.Optional(Type.Integer({ minimum: 1, maximum: 86_400_000 })),
    },
    { additionalProperties: false },
  ),
  /** Null = it does not have this backend, or gives it no new pipes. */
  answers: Type.Object({ planned: Type.Union([Type.Integer({ minimum: 0 }), Type.Null()]) }),
} satisfies Question;
type RebalanceOrder = Static<typeof rebalanceQuestion.asks>;

export interface FleetViewSettings {
  readonly manager: PipeManager;
  readonly courier: Courier;
  readonly membership: Membership;
}

export class FleetView implements PipePeers {
  readonly pipes: FleetPipes;
  readonly orders: FleetOrders;
  readonly audit: FleetAudit;
  readonly #manager: PipeManager;
  readonly #courier: Courier;
  readonly #fleet: Fleet;
  #stops: readonly (() => void)[] = [];

  constructor({ manager, courier, membership }: FleetViewSettings) {
    this.#manager = manager;
    this.#courier = courier;
    this.#fleet = new Fleet(membership, courier);
    this.pipes = new FleetPipes(manager, this.#fleet);
    this.orders = new FleetOrders(manager, this.#fleet);
    this.audit = new FleetAudit(manager, this.#fleet);
  }

  /** Answers what others ask. */
  start(): void {
    const courier = this.#courier;
    this.#stops = [
      this.pipes.serve(courier),
      this.orders.serve(courier),
      this.audit.serve(courier),
      courier.serve(statsQuestion, () => this.#manager.statsReport()),
      courier.serve(principalQuestion, ({ id, ...order }) => ({ closed: this.#manager.closeOwnPrincipal(id, order) })),
      courier.serve(rebalanceQuestion, (order) => ({ planned: this.#rebalanceHere(order) })),
    ];
  }

  stop(): void {
    for (const stop of this.#stops) stop();
  }

  /** What the other gateways say of a backend; null = of all. */
  backendFigures(id: string | null): Promise<Heard<readonly BackendFigures[]>> {
    return this.#fleet.askAll(backendsQuestion, { id });
  }

  /**
   * Over all gateways, and of each. Where one is asked for, of that one alone.
   * @throws HOLDFAST_ERR_GATEWAY_NOT_FOUND, HOLDFAST_ERR_STORE_UNAVAILABLE, HOLDFAST_ERR_PEER_SILENT, HOLDFAST_ERR_PEER_FAILED: where one
   * is asked for.
   */
  async stats({ gateway }: StatsQuery): Promise<StatsView> {
    const own = { gateway: this.#fleet.id, report: this.#manager.statsReport() };
    if (gateway === ownGateway || gateway === own.gateway) return statsView(own.report);
    if (gateway !== undefined) return statsView(await this.#fleet.ask(gateway, statsQuestion, {}));
    const heard = await this.#fleet.askAll(statsQuestion, {});
    const others = heard.answers.map(({ gateway: other, answer }) => ({ gateway: other, report: answer }));
    const each = [own, ...others].sort((one, other) => (one.gateway < other.gateway ? -1 : 1));
    return {
      ...statsView(sumReports(own, others)),
      ...completeness(heard),
      gateways: each.map(({ gateway: id, report }) => ({ gateway: id, ...statsView(report) })),
    };
  }

  /**
   * Each gateway moves pipes of its own, at its share of the rate that is given.
   * @throws HOLDFAST_ERR_BACKEND_NOT_FOUND, HOLDFAST_ERR_BACKEND_DRAINING where no gateway that was heard gives it new pipes.
   */
  async rebalance(id: string, options: { pipesPerSecond?: number; timeoutMs?: number }): Promise<RebalanceView> {
    const { pipesPerSecond, ...rest } = options;
    const share = pipesPerSecond === undefined ? {} : { pipesPerSecond: pipesPerSecond / this.#fleet.size };
    const order = { id, ...rest, ...share };
    const heard = await this.#fleet.askAll(rebalanceQuestion, order);
    const own = this.#rebalanceHere(order);
    const rows = [{ gateway: this.#fleet.id, answer: { planned: own } }, ...heard.answers]
      .flatMap(({ gateway, answer: { planned } }) => (planned === null ? [] : [{ gateway, planned }]))
      .sort((one, other) => (one.gateway < other.gateway ? -1 : 1));
    // As it is refused where there is no other gateway.
    if (rows.length === 0) return this.#manager.rebalance(id, options);
    const planned = rows.reduce((sum, row) => sum + row.planned, 0);
    return { backendId: id, planned, gateways: rows, ...completeness(heard) };
  }

  /** Tells the other gateways to close all clients of somebody. Those that fell silent a short time ago are missing. */
  async closePrincipal(id: string, order: CloseOrderInput): Promise<PrincipalClosed> {
    const heard = await this.#fleet.askAll(principalQuestion, { id, ...order }, { lapsed: true });
    const closed = heard.answers.reduce((sum, { answer }) => sum + answer.closed, 0);
    return { closed, ...completeness(heard) };
  }

  #rebalanceHere({ id, ...options }: RebalanceOrder): number | null {
    try {
      return this.#manager.rebalance(id, options).planned;
    } catch (error) {
      if (error instanceof BackendNotFound || error instanceof BackendDraining) return null;
      throw error;
    }
  }
}
