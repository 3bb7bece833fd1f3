/** How the pipes of a gateway are read page by page. Pure. */
import { CursorInvalid, GatewayNotFound } from '../errors.ts';

export const defaultPageSize = 100;

/** The gateway that is asked, whatever its id. No id is like it: those have a dot. */
export const ownGateway = 'self';

/** @throws HOLDFAST_ERR_GATEWAY_NOT_FOUND where one is asked for, and it is not the one that is asked. */
export function checkOwn(gateway: string | undefined): void {
  if (gateway !== undefined && gateway !== ownGateway) throw new GatewayNotFound(gateway);
}

/** Behind which pipe, in the order of their beginning, a page goes on; 0 = it is the first page. @throws HOLDFAST_ERR_CURSOR */
export function parsePosition(cursor: string | undefined): number {
  if (cursor === undefined) return 0;
  const position = /^\d{1,16}$/.test(cursor) ? Number(cursor) : Number.NaN;
  if (!Number.isSafeInteger(position)) throw new CursorInvalid(cursor);
  return position;
}
