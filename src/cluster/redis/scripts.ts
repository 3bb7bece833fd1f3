/**
 * What must happen in one step on the server. Each script has one key, so that they also run on a Redis Cluster. A record is a string
 * `<revision>\n<value>`; whatever else lies at a key counts as no record, and is written over: by the same rule as in parseRecord of
 * redis-store.ts, or what one calls a record and the other none could be neither read nor written over.
 */
import { createHash } from 'node:crypto';
import { storeBounds } from '../store.ts';

export interface Script {
  readonly text: string;
  readonly sha: string;
}

const script = (text: string): Script => ({ text, sha: createHash('sha1').update(text).digest('hex') });

const present = `
local head = redis.pcall('GETRANGE', KEYS[1], 0, 16)
local revision = type(head) == 'string' and string.match(head, '^([1-9]%d*)\\n') or '0'
if tonumber(revision) > tonumber(ARGV[#ARGV]) then revision = '0' end
`;

/** ARGV: expected revision, record, ttl in ms, most bytes to answer, highest revision. @returns nil = stored; else what is there, '' = nothing. */
export const putScript = script(`${present}
if revision ~= ARGV[1] then
  local record = revision == '0' and '' or redis.call('GETRANGE', KEYS[1], 0, ARGV[4])
  if #record > #revision + 1 + ${storeBounds.valueBytes} then record = '' end
  if record ~= '' or ARGV[1] ~= '0' then return record end
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return false
`);

/** ARGV: expected revision or '', most bytes to answer, highest revision. @returns what was removed; nil = nothing was. */
export const removeScript = script(`${present}
if ARGV[1] ~= '' and revision ~= ARGV[1] then return false end
local record = redis.pcall('GETRANGE', KEYS[1], 0, ARGV[2])
redis.call('DEL', KEYS[1])
if revision == '0' then return false end
return record
`);

/** ARGV: revision, ttl in ms, highest revision. @returns 1 = it still had it. */
export const touchScript = script(`${present}
if revision ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
`);

/**
 * A full server refuses it: its first write is the one that needs room. What another program wrote there goes, so that it is read once, not at
 * each beat: members that are too long or stay too long, and all where there are twice as many as there may be. KEYS[1]: a hash of members; a field is \`<expires at>:<beat at>:<value>\`, in ms of the server. ARGV: id, value, ttl in ms, most members.
 * @returns whether it was known, then id, age and value of each; false = too many.
 */
export const beatScript = script(`
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'hash' and kind ~= 'none' then redis.call('DEL', KEYS[1]) end
local all = redis.call('HGETALL', KEYS[1])
if #all > 4 * ARGV[4] then
  redis.call('DEL', KEYS[1])
  all = {}
end
local answer = { 0 }
local gone = {}
for i = 1, #all, 2 do
  local expires, beat, value = string.match(all[i + 1], '^(%d+):(%d+):(.*)$')
  local left = tonumber(expires or 0) - now
  if left <= 0 or left > ${storeBounds.ttlMs} or #value > ${storeBounds.memberBytes} or #all[i] > ${storeBounds.keyBytes} then
    table.insert(gone, all[i])
  elseif all[i] == ARGV[1] then
    answer[1] = 1
  else
    table.insert(answer, all[i])
    table.insert(answer, math.max(0, now - tonumber(beat)))
    table.insert(answer, value)
  end
end
if answer[1] == 0 and (#answer - 1) / 3 >= tonumber(ARGV[4]) then return false end
redis.call('HSET', KEYS[1], ARGV[1], string.format('%d:%d:', now + ARGV[3], now) .. ARGV[2])
for _, id in ipairs(gone) do
  if id ~= ARGV[1] then redis.call('HDEL', KEYS[1], id) end
end
table.insert(answer, ARGV[1])
table.insert(answer, 0)
table.insert(answer, ARGV[2])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return answer
`);
