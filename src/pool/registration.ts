/** What is registered of what was asked for. Pure. */
import { Value } from 'typebox/value';
import { BackendExists, BackendNotAllowed, BodyInvalid } from '../errors.ts';
import { describeSchemaError } from '../schema-error.ts';
import type { AllowedBackends } from './allowed-backends.ts';
import { backendUrlText, parseBackendUrl } from './backend-url.ts';
import type { Roster } from './roster.ts';
import { BackendInput } from './settings.ts';

/**
 * With what was left out filled in; id and address are nobody's yet.
 * @throws HOLDFAST_ERR_BACKEND_URL, HOLDFAST_ERR_BACKEND_NOT_ALLOWED, HOLDFAST_ERR_BACKEND_EXISTS, HOLDFAST_ERR_VALIDATION
 */
export function completeInput(
  input: BackendInput,
  roster: Pick<Roster, 'find' | 'findByUrl' | 'makeId'>,
  allowed: Pick<AllowedBackends, 'refuseUrl'>,
): Required<BackendInput> {
  const url = parseBackendUrl(input.url);
  if (!Value.Check(BackendInput, input)) throw new BodyInvalid(describeSchemaError(BackendInput, input));
  const refused = allowed.refuseUrl(url);
  if (refused !== null) throw new BackendNotAllowed(backendUrlText(url), refused);
  const byId = input.id === undefined ? undefined : roster.find(input.id);
  if (byId !== undefined) throw new BackendExists('id', byId.id, byId.id);
  const byUrl = roster.findByUrl(url);
  if (byUrl !== undefined) throw new BackendExists('url', byUrl.urlText, byUrl.id);
  const { id = roster.makeId(url), weight = 1, maxConnections = null, labels = {} } = input;
  return { url: url.href, id, weight, maxConnections, labels };
}
