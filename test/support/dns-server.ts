/** A DNS server on loopback that answers what the test says: no recursion, no cache, UDP only. */
import { createSocket, type RemoteInfo } from 'node:dgram';
import { isIPv4 } from 'node:net';
import { endWith, type OptionalOwner } from './owner.ts';

export interface ServiceRecord {
  readonly target: string;
  readonly port: number;
  readonly priority?: number;
  readonly weight?: number;
}

/** Addresses of a name (A and AAAA), or the services behind it (SRV). */
export type DnsRecords = readonly string[] | readonly ServiceRecord[];

/** serve = as the records say; silent = no answer; the others are answers without any record. */
export type DnsMode = 'serve' | 'silent' | 'servfail' | 'refused' | 'garbage';

export interface DnsServer {
  /** 127.0.0.1:port, for `discovery.dns.servers`. */
  readonly address: string;
  /** Of all names. */
  mode: DnsMode;
  /** Of questions for one type of record. */
  readonly modes: Partial<Record<'A' | 'AAAA' | 'SRV', DnsMode>>;
  /** What `name` has from now on; null = there is no such name, [] = it has no such record. */
  set(name: string, records: DnsRecords | null): void;
  /** Questions so far, as "A name". */
  readonly questions: readonly string[];
  /** Takes its port away; it can be started again there. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

const types = { A: 1, AAAA: 28, SRV: 33 } as const;
const rcode = { servfail: 2, nxdomain: 3, refused: 5 } as const;

export async function startDnsServer(t: OptionalOwner): Promise<DnsServer> {
  const names = new Map<string, DnsRecords>();
  const questions: string[] = [];
  let socket = createSocket('udp4');
  let port = 0;
  const server = {
    address: '',
    mode: 'serve' as DnsMode,
    modes: {} as DnsServer['modes'],
    questions,
    set: (name: string, records: DnsRecords | null) =>
      void (records === null ? names.delete(name) : names.set(name, records)),
    stop: () => new Promise<void>((resolve) => socket.close(() => resolve())),
    start: async () => {
      socket = createSocket('udp4').on('message', answer);
      await new Promise<void>((resolve, reject) => {
        socket.once('error', reject).bind(port, '127.0.0.1', resolve);
      });
      port = socket.address().port;
      server.address = `127.0.0.1:${port}`;
    },
  } satisfies DnsServer;

  function answer(this: unknown, query: Buffer, from: RemoteInfo): void {
    const { name, type, end } = readQuestion(query);
    const typeName = (Object.keys(types) as (keyof typeof types)[]).find((one) => types[one] === type);
    questions.push(`${typeName ?? type} ${name}`);
    const mode = (typeName === undefined ? undefined : server.modes[typeName]) ?? server.mode;
    const send = (bytes: Buffer) => socket.send(bytes, from.port, from.address);
    const question = query.subarray(12, end);
    if (mode === 'silent') return;
    if (mode === 'servfail' || mode === 'refused') return void send(message(query, rcode[mode], question, []));
    if (mode === 'garbage') {
      // The right id, one record announced, and half a name that points at itself.
      const half = message(query, 0, question, []);
      half.writeUInt16BE(1, 6);
      return void send(Buffer.concat([half, Buffer.from([0xc0, half.length, 0xff])]));
    }
    const records = names.get(name);
    if (records === undefined) return void send(message(query, rcode.nxdomain, question, []));
    send(message(query, 0, question, records.filter((one) => typeOf(one) === type).map(recordBytes)));
  }

  await server.start();
  // Twice is once: a test may have stopped it.
  endWith(t, () => server.stop().catch(() => {}));
  return server;
}

function typeOf(record: string | ServiceRecord): number {
  if (typeof record !== 'string') return types.SRV;
  return isIPv4(record) ? types.A : types.AAAA;
}

function readQuestion(query: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += length + 1;
  }
  return { name: labels.join('.').toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 };
}

/** RFC 1035 section 4.1: the header, the question as it came, the records. */
function message(query: Buffer, code: number, question: Buffer, records: readonly Buffer[]): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt16BE(query.readUInt16BE(0), 0);
  header.writeUInt16BE(0x8580 | code, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(records.length, 6);
  return Buffer.concat([header, question, ...records]);
}

function recordBytes(record: string | ServiceRecord): Buffer {
  const data = dataOf(record);
  const head = Buffer.alloc(12);
  // The name of the question, class IN, a time to live of 1 s.
  head.writeUInt16BE(0xc00c, 0);
  head.writeUInt16BE(typeOf(record), 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt32BE(1, 6);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}

function dataOf(record: string | ServiceRecord): Buffer {
  if (typeof record !== 'string') {
    const numbers = Buffer.alloc(6);
    numbers.writeUInt16BE(record.priority ?? 10, 0);
    numbers.writeUInt16BE(record.weight ?? 10, 2);
    numbers.writeUInt16BE(record.port, 4);
    const labels = record.target.split('.').filter((label) => label !== '');
    const name = labels.map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label, 'latin1')]));
    return Buffer.concat([numbers, ...name, Buffer.from([0])]);
  }
  if (isIPv4(record)) return Buffer.from(record.split('.').map(Number));
  const [head = '', tail = ''] = record.split('::');
  const groups = (text: string): number[] =>
    text === '' ? [] : text.split(':').map((one) => Number.parseInt(one, 16));
  const [first, last] = [groups(head), groups(tail)];
  const all = record.includes('::')
    ? [...first, ...new Array<number>(8 - first.length - last.length).fill(0), ...last]
    : first;
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 255]));
}
