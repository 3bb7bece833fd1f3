/** Judges a chaos run by what the backends wrote down and what the clients saw. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ClientReport, Delivery, LoadReport } from './stage.ts';

interface Connection {
  /** `<backend>.<epoch>.<connection>`, as its messages to the client say. */
  readonly name: string;
  readonly client: string;
  readonly pipe: string;
  readonly generation: number;
  readonly reason: string;
  /** Holdfast-Replay. */
  readonly replay: number;
  readonly at: number;
  /** Numbers received: from, to, without holes. 0 = none. */
  first: number;
  last: number;
  sent: number;
  closeCode: number | null;
}

export interface Verdict {
  readonly violations: readonly string[];
  /** Messages of clients: sent, never seen by a backend, seen more than once. */
  readonly sent: number;
  readonly lost: number;
  readonly twice: number;
  /** Messages of backends that reached the clients. */
  readonly pushed: number;
  readonly connections: number;
}

const maxViolations = 50;

export function judge(folder: string, reports: readonly LoadReport[], delivery: Delivery): Verdict {
  const violations: string[] = [];
  const wrong = (what: string): void => {
    if (violations.length < maxViolations) violations.push(what);
  };
  const connections = readConnections(folder, wrong);
  const byClient = new Map<string, Connection[]>();
  for (const connection of connections) {
    const list = byClient.get(connection.client);
    if (list === undefined) byClient.set(connection.client, [connection]);
    else list.push(connection);
  }
  const totals = { sent: 0, lost: 0, twice: 0, pushed: 0 };
  for (const report of reports) {
    for (const violation of report.violations) wrong(violation);
    for (const client of report.clients) {
      if (client.closed !== null) wrong(`${client.name} was closed: ${JSON.stringify(client.closed)}`);
      const links = (byClient.get(client.name) ?? []).sort((a, b) => a.generation - b.generation || a.at - b.at);
      judgeToBackend(client, links, delivery, totals, wrong);
      judgeToClient(client, links, totals, wrong);
    }
  }
  return { violations, ...totals, connections: connections.length };
}

/** Each link got a run without holes; together they are all; what a link got again is no more than it was told. */
function judgeToBackend(
  client: ClientReport,
  links: readonly Connection[],
  delivery: Delivery,
  totals: { sent: number; lost: number; twice: number },
  wrong: (what: string) => void,
): void {
  totals.sent += client.sent;
  let highest = 0;
  for (const link of links) {
    if (link.first === 0) continue;
    const here = `${client.name} at ${link.name} (generation ${link.generation}, ${link.reason}, ${new Date(link.at).toISOString()})`;
    const again = Math.max(0, Math.min(link.last, highest) - link.first + 1);
    const missing = Math.max(0, link.first - highest - 1);
    totals.twice += again;
    totals.lost += missing;
    if (delivery === 'at-most-once') {
      if (again > 0) wrong(`${here}: ${again} messages twice (${link.first} after ${highest})`);
    } else {
      if (missing > 0)
        wrong(`${here}: ${missing} messages are missing (it begins with ${link.first}, before it came ${highest})`);
      if (again > link.replay) wrong(`${here}: ${again} messages again, told were ${link.replay}`);
    }
    highest = Math.max(highest, link.last);
  }
  const missing = client.sent - highest;
  totals.lost += missing;
  if (missing > 0 && delivery === 'at-least-once')
    wrong(`${client.name}: the last ${missing} of ${client.sent} messages did not arrive`);
  if (missing < 0) wrong(`${client.name}: a backend got message ${highest}, sent were ${client.sent}`);
}

/** The client checked order and wholeness itself. What the present link sent is complete, and so is what a link sent that was left by a drain. */
function judgeToClient(
  client: ClientReport,
  links: readonly Connection[],
  totals: { pushed: number },
  wrong: (what: string) => void,
): void {
  const byName = new Map(links.map((link) => [link.name, link]));
  let generation = 0;
  for (const [name, last] of client.from) {
    totals.pushed += last;
    const link = byName.get(name);
    if (link === undefined) {
      wrong(`${client.name} got messages of ${name}, which knows nothing of it`);
      continue;
    }
    if (link.generation <= generation) wrong(`${client.name}: generation ${link.generation} after ${generation}`);
    generation = link.generation;
    if (last > link.sent) wrong(`${client.name} got ${last} messages of ${name}, which sent ${link.sent}`);
  }
  const received = new Map(client.from);
  for (const [at, link] of links.entries()) {
    const got = received.get(link.name) ?? 0;
    // A link that was thrown away while the pipe was elsewhere has the generation of the one after it, and got nothing.
    const next = links
      .slice(at + 1)
      .find((one) => one.generation > link.generation && (one.first > 0 || received.has(one.name)));
    const taken = link.first > 0 || got > 0;
    const current = link.closeCode === null && next === undefined && at === links.length - 1;
    const leftByDrain = taken && next?.reason === 'migrate' && link.closeCode === 1001;
    if ((current || leftByDrain) && got !== link.sent) {
      const why = current ? 'is its present backend' : 'was left by a drain';
      wrong(`${client.name} got ${got} of ${link.sent} messages of ${link.name}, which ${why}`);
    }
  }
}

function readConnections(folder: string, wrong: (what: string) => void): Connection[] {
  const all: Connection[] = [];
  for (const file of readdirSync(folder)) {
    if (!/^b\d+\.\d+\.log$/.test(file)) continue;
    const backend = file.slice(0, -'.log'.length);
    const byId = new Map<string, Connection>();
    for (const line of readFileSync(join(folder, file), 'utf8').split('\n')) {
      if (line === '') continue;
      const [kind, id = ''] = line.split(' ', 2);
      const rest = line.slice(3 + id.length);
      if (kind === 'o') {
        const handshake = JSON.parse(rest) as Pick<
          Connection,
          'client' | 'pipe' | 'generation' | 'reason' | 'replay' | 'at'
        >;
        const made: Connection = {
          name: `${backend}.${id}`,
          ...handshake,
          first: 0,
          last: 0,
          sent: 0,
          closeCode: null,
        };
        byId.set(id, made);
        all.push(made);
        continue;
      }
      const connection = byId.get(id)!;
      if (kind === 'm') {
        const n = Number(rest);
        if (connection.first === 0) connection.first = n;
        else if (n !== connection.last + 1)
          wrong(`${connection.client} at ${connection.name}: message ${n} after ${connection.last}`);
        connection.last = n;
      } else if (kind === 's') {
        connection.sent = Number(rest);
      } else if (kind === 'c') {
        connection.closeCode = Number(rest);
      } else {
        wrong(`${connection.client} at ${connection.name}: ${rest}`);
      }
    }
  }
  return all;
}
