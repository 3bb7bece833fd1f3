/** What each gateway tells the others of the backends as it sees them, and how that is added up. */
import { type Static, Type } from 'typebox';
import type { AllAnswers, Question } from '../cluster/courier.ts';
import type { BackendFleetView, BackendView } from '../pool/views.ts';

const count = Type.Integer({ minimum: 0 });
const BackendFigures = Type.Object({
  id: Type.String(),
  enabled: Type.Boolean(),
  usable: Type.Boolean(),
  connections: count,
  dialing: count,
  totals: Type.Object({ attached: count, failed: count, ejections: count }),
});
export type BackendFigures = Static<typeof BackendFigures>;

export const backendsQuestion = {
  kind: 'backends',
  /** Null = all. */
  asks: Type.Object({ id: Type.Union([Type.String(), Type.Null()]) }),
  answers: Type.Array(BackendFigures),
} satisfies Question;

export function figuresOf({ id, adminState, usable, connections, dialing, totals }: BackendView): BackendFigures {
  return { id, enabled: adminState === 'enabled', usable, connections, dialing, totals: { ...totals } };
}

/** By id. */
export function sumFigures(
  own: readonly BackendFigures[],
  others: AllAnswers<readonly BackendFigures[]>,
): Map<string, BackendFleetView> {
  const sums = new Map<string, BackendFleetView>();
  for (const rows of [own, ...others.answers.map(({ answer }) => answer)]) {
    for (const row of rows) sums.set(row.id, add(sums.get(row.id) ?? noFleet, row));
  }
  return sums;
}

export const noFleet: BackendFleetView = {
  gateways: 0,
  usable: 0,
  connections: 0,
  dialing: 0,
  totals: { attached: 0, failed: 0, ejections: 0 },
};

function add(sum: BackendFleetView, row: BackendFigures): BackendFleetView {
  return {
    gateways: sum.gateways + 1,
    usable: sum.usable + (row.usable ? 1 : 0),
    connections: sum.connections + row.connections,
    dialing: sum.dialing + row.dialing,
    totals: {
      attached: sum.totals.attached + row.totals.attached,
      failed: sum.totals.failed + row.totals.failed,
      ejections: sum.totals.ejections + row.totals.ejections,
    },
  };
}
