import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import test from 'node:test';
import { documentFile } from '../../openapi/generate.ts';
import * as ours from '../../src/errors.ts';

/** Thrown at the start, only in events, or a defect that is answered as HOLDFAST_ERR_INTERNAL. */
const neverAnswered = [
  'HOLDFAST_ERR_ADMIN_LISTEN',
  'HOLDFAST_ERR_CLIENT_GONE',
  'HOLDFAST_ERR_ILLEGAL_TRANSITION',
  'HOLDFAST_ERR_NO_ADMIN_AUTH',
  'HOLDFAST_ERR_OPTIONS',
  'HOLDFAST_ERR_STORE_RECORD_UNREADABLE',
  'HOLDFAST_ERR_WEBSOCKET_REGISTERED_TWICE',
];

interface Operation {
  readonly responses: Record<string, { content?: Record<string, { examples?: Record<string, unknown> }> }>;
}
/** By operationId: every code with its status. */
async function promised(): Promise<Map<string, string[]>> {
  const { paths } = JSON.parse(await readFile(documentFile, 'utf8')) as {
    paths: Record<string, Record<string, Operation & { operationId: string }>>;
  };
  const operations = Object.values(paths).flatMap((item) => Object.values(item));
  const codes = ({ responses }: Operation) =>
    Object.entries(responses).flatMap(([status, { content = {} }]) =>
      Object.values(content).flatMap(({ examples = {} }) => Object.keys(examples).map((code) => `${status} ${code}`)),
    );
  return new Map(operations.map((operation) => [operation.operationId, codes(operation)]));
}

test('every error that a caller can get is in the OpenAPI document', async () => {
  const told = new Set([...(await promised()).values()].flat().map((one) => one.split(' ')[1]));
  const { peerError: _peerError, ...errors } = ours;
  const codes = Object.values(errors).map(
    (OneError) => new (OneError as new (...words: unknown[]) => Error & { code: string })().code,
  );
  assert.deepEqual(codes.filter((code) => !told.has(code)).toSorted(), neverAnswered);
});

test('it is where it comes from', async () => {
  const all = await promised();
  for (const operation of ['registerBackend', 'updateBackend', 'removeBackend', 'removeBackendByUrl'])
    assert.ok(all.get(operation)?.includes('413 HOLDFAST_ERR_STORE_VALUE_TOO_BIG'), operation);
  for (const operation of ['listPipes', 'getPipe', 'closePipe', 'interruptPipe', 'getStats', 'getAudit'])
    assert.ok(all.get(operation)?.includes('503 HOLDFAST_ERR_PEERS_BUSY'), operation);
  assert.ok(all.get('connectClient')?.includes('500 HOLDFAST_ERR_INTERNAL'));
  assert.ok(!all.get('updateBackend')?.includes('409 HOLDFAST_ERR_BACKEND_DRAINING'), 'a state ends a removal');
});
