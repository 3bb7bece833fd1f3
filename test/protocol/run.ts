/** Tries a gateway at any URL against the rules of holdfast.v1: `npm run conformance -- ws://host:port/ws`. */
import { parseArgs } from 'node:util';
import { rules } from './rules.ts';
import { type Rig, tryRule } from './trial.ts';

const usage = `npm run conformance -- <ws-url> [--admin <http-url> --token <token>] [--pid <gateway's pid>] [--only <word>]

Tries the gateway at <ws-url> against the rules of docs/PROTOCOL.md. It assumes an echo backend behind the gateway: one that
sends every message back as it came, and nothing else. With --admin also the rules that take an operator; with --pid, last of all, the
gateway is sent SIGTERM. Exit code: 0 = all that were tried hold, 1 = not, 2 = wrong arguments.`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { admin: { type: 'string' }, token: { type: 'string' }, pid: { type: 'string' }, only: { type: 'string' } },
});
const [url] = positionals;
if (url === undefined || !/^wss?:\/\//.test(url)) {
  console.error(usage);
  process.exit(2);
}

const { admin, token = '', pid, only } = values;
const rig: Rig = {
  url,
  admin:
    admin === undefined
      ? null
      : async (method, path, body) => {
          const json = body === undefined ? {} : { 'content-type': 'application/json' };
          const response = await fetch(`${admin.replace(/\/$/, '')}${path}`, {
            method,
            headers: { authorization: `Bearer ${token}`, ...json },
            ...(body === undefined ? {} : { body: JSON.stringify(body) }),
          });
          await response.arrayBuffer();
          return response.status;
        },
  stop: pid === undefined ? null : () => void process.kill(Number(pid), 'SIGTERM'),
};

console.log(`holdfast.v1 at ${url}; behind it an echo backend is assumed\n`);
const tally = { pass: 0, fail: 0, 'left out': 0 };
for (const rule of rules) {
  if (only !== undefined && !`${rule.of} ${rule.says}`.includes(only)) continue;
  const { outcome, detail } = await tryRule(rule, rig);
  tally[outcome] += 1;
  console.log(`${outcome.padEnd(8)}  ${rule.of}: ${rule.says}${detail === '' ? '' : `\n          ${detail}`}`);
}
console.log(`\n${tally.pass} hold, ${tally.fail} do not, ${tally['left out']} were left out`);
process.exit(tally.fail > 0 || tally.pass === 0 ? 1 : 0);
