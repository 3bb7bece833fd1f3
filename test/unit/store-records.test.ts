/** Nothing in the store is trusted: what does not fit its schema, or is too long, is read as nothing; names cannot leave their place. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Value } from 'typebox/value';
import {
  blobKey,
  clientKey,
  configKey,
  firstRevision,
  gatewayChannel,
  keyKinds,
  pipeKey,
  poolKey,
  sha256,
} from '../../src/cluster/keys.ts';
import { ClientClaim, decodeJson, encodeJson, GatewayId, PipeRecord, readRecord } from '../../src/cluster/records.ts';
import { checkKey } from '../../src/cluster/store.ts';

const claim: ClientClaim = {
  v: 1,
  state: 'held',
  gateway: 'gw-1.aB3_-x',
  pipe: 'abcDEF0123456789',
  principal: sha256('user-1'),
  since: 1_700_000_000_000,
};
const held: PipeRecord = {
  v: 1,
  state: 'held',
  gateway: claim.gateway,
  fence: 0,
  blobBytes: 0,
  backend: 'chat-1',
  tokens: [sha256('token')],
};

test('what was encoded is read again', () => {
  for (const [schema, value, kind] of [
    [ClientClaim, claim, keyKinds.client],
    [PipeRecord, held, keyKinds.pipe],
  ] as const) {
    const bytes = encodeJson('a record', value, kind.maxBytes);
    assert.deepEqual(decodeJson(schema, bytes, kind.maxBytes), value);
    assert.deepEqual(readRecord(schema, { revision: 7, value: bytes }, kind), { revision: 7, value });
  }
  assert.equal(readRecord(ClientClaim, null, keyKinds.client), null);
});

test('what does not fit is nothing, and keeps its revision', () => {
  const wrong: unknown[] = [
    null,
    [],
    'text',
    { ...claim, v: 2 },
    { ...claim, more: 1 },
    { ...claim, gateway: 'gw' },
    { ...claim, gateway: '../x.aaaaaa' },
    { ...claim, since: -1 },
    { ...claim, since: 1.5 },
    { ...claim, state: 'moving' },
    { ...claim, principal: 'user-1' },
    { ...claim, pipe: 'a b' },
    { ...claim, pipe: '' },
    { ...claim, pipe: undefined },
  ];
  for (const value of wrong) {
    const record = { revision: 7, value: Buffer.from(JSON.stringify(value)) };
    assert.deepEqual(
      readRecord(ClientClaim, record, keyKinds.client),
      { revision: 7, value: null },
      JSON.stringify(value),
    );
  }
  for (const text of ['', '{', '\u0000', `${' '.repeat(keyKinds.client.maxBytes)}${JSON.stringify(claim)}`])
    assert.equal(decodeJson(ClientClaim, Buffer.from(text), keyKinds.client.maxBytes), null);
  for (const change of [
    { state: 'gone' },
    { tokens: ['short'] },
    { tokens: [1, 2] },
    { backend: 'a/b' },
    { fence: -1 },
    { blobBytes: keyKinds.blob.maxBytes + 1 },
  ])
    assert.equal(Value.Check(PipeRecord, { ...held, ...change }), false, JSON.stringify(change));
});

test('random bytes never throw, and are never a record', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
      assert.equal(decodeJson(PipeRecord, Buffer.from(bytes), keyKinds.pipe.maxBytes), null);
    }),
  );
});

test('the largest record of each kind fits its bound', () => {
  const gateway = `${'g'.repeat(48)}.aaaaaa`;
  assert.ok(Value.Check(GatewayId, gateway));
  const most = Number.MAX_SAFE_INTEGER;
  encodeJson(
    'claim',
    {
      v: 1,
      state: 'parked',
      gateway,
      pipe: 'p'.repeat(64),
      principal: sha256('user-1'),
      since: most,
    } satisfies ClientClaim,
    keyKinds.client.maxBytes,
  );
  const tokens = [sha256('a'), sha256('b')];
  encodeJson(
    'pipe',
    {
      v: 1,
      state: 'parked',
      gateway,
      fence: most,
      blobBytes: keyKinds.blob.maxBytes,
      backend: 'b'.repeat(64),
      tokens,
    } satisfies PipeRecord,
    keyKinds.pipe.maxBytes,
  );
  assert.throws(() => encodeJson('claim', 'x'.repeat(600), keyKinds.client.maxBytes), {
    code: 'HOLDFAST_ERR_STORE_VALUE_TOO_BIG',
  });
});

test('names are keys, whatever a stranger says', () => {
  for (const key of [
    poolKey,
    configKey('buffer'),
    blobKey('p'.repeat(64), Number.MAX_SAFE_INTEGER),
    gatewayChannel(`${'g'.repeat(48)}.aaaaaa`),
  ])
    checkKey(key);
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
      checkKey(clientKey(text));
      const key = pipeKey(text);
      if (key !== null) checkKey(key);
      assert.equal(key !== null, /^[A-Za-z0-9_-]{1,64}$/.test(text));
    }),
  );
  for (const id of ['', 'a}b', 'a\n', 'ä', 'x'.repeat(65)]) assert.equal(pipeKey(id), null);
  assert.notEqual(clientKey('a'), clientKey('b'));
  assert.doesNotMatch(clientKey('alice@example.org'), /alice/);
});

test('a first revision is a safe number, and never one that was there before', () => {
  assert.ok(Number.isSafeInteger(firstRevision() + 1_000_000));
  assert.ok(firstRevision(2000, () => 0) > firstRevision(1999, () => 0.9999));
  assert.equal(
    firstRevision(2, () => 0.5),
    2500,
  );
});
