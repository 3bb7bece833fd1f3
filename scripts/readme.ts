/** Writes the parts of README.md that follow from the code; with --check exits 1 if they differ. */
import { readFile, writeFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { CommandSchema } from '../src/command-schema.ts';
import { HoldfastOptionsSchema } from '../src/options.ts';
import { variables } from '../src/variables.ts';

const readmeFile = new URL('../README.md', import.meta.url);

interface Node {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Node[];
  readonly items?: Node;
  readonly properties?: Readonly<Record<string, Node>>;
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`;
  return [line(head), `|${head.map(() => '---|').join('')}`, ...rows.map(line)].join('\n');
}

function optionRows(node: Node, path: string): string[][] {
  const inner = node.properties;
  if (inner !== undefined) {
    return Object.entries(inner).flatMap(([key, child]) => optionRows(child, path === '' ? key : `${path}.${key}`));
  }
  const values = node.enum === undefined ? '' : ` One of ${node.enum.map((value) => `\`${value}\``).join(', ')}.`;
  const standard = node.default === undefined ? '' : `\`${JSON.stringify(node.default)}\``;
  return [[`\`${path}\``, standard, `${node.description ?? ''}${values}`]];
}

function optionsTable(): string {
  const { backends, ...rest } = HoldfastOptionsSchema.properties as unknown as Record<string, Node>;
  const object = backends?.items?.anyOf?.find((one) => one.properties !== undefined)?.properties ?? {};
  const fields = Object.keys(object).join(', ');
  const backend: Node = {
    ...backends,
    description: `Backends registered at the start: urls, or objects of ${fields}.`,
  };
  return table(['option', 'default', 'what'], optionRows({ properties: { ...rest, backends: backend } }, ''));
}

function commandTable(): string {
  const keys = ['host', 'port', 'workers', 'logLevel', 'trustProxy', 'http', 'tls', 'redis', 'admin'] as const;
  const all = CommandSchema.properties as unknown as Record<string, Node>;
  const properties = Object.fromEntries(keys.map((key) => [key, all[key]!]));
  return table(['key', 'default', 'what'], optionRows({ properties }, ''));
}

function environmentTable(): string {
  return table(
    ['variable', 'what', 'key in the file'],
    variables.map(({ name, help, keys }) => [`\`${name}\``, help, keys.map((key) => `\`${key}\``).join(', ')]),
  );
}

interface Operation {
  readonly summary: string;
  readonly security?: readonly unknown[];
  readonly parameters?: readonly {
    name: string;
    in: string;
    required?: boolean;
    example?: unknown;
    schema: { examples?: unknown[] };
  }[];
  readonly requestBody?: {
    readonly content: { 'application/json': { readonly examples?: Record<string, { value: unknown }> } };
  };
}

async function restTable(): Promise<string> {
  const text = await readFile(new URL('../openapi/openapi.json', import.meta.url), 'utf8');
  const { paths } = JSON.parse(text) as { paths: Record<string, Record<string, Operation>> };
  const rows: string[][] = [];
  for (const [path, operations] of Object.entries(paths)) {
    if (path === '/ws') continue;
    for (const [method, operation] of Object.entries(operations)) {
      rows.push([`\`${method.toUpperCase()} ${path}\``, operation.summary, `\`${curl(method, path, operation)}\``]);
    }
  }
  return table(['route', 'does', 'try'], rows);
}

function curl(method: string, path: string, operation: Operation): string {
  const { parameters = [], requestBody, security } = operation;
  const [first] = Object.values(requestBody?.content['application/json'].examples ?? {});
  const example = (one: (typeof parameters)[number]): string => String(one.example ?? one.schema.examples?.[0] ?? '');
  const filled = parameters
    .filter((one) => one.in === 'path')
    .reduce((text, one) => text.replace(`{${one.name}}`, example(one)), path);
  const query = parameters.filter((one) => one.in === 'query' && one.required === true);
  const search = query.map((one) => `${one.name}=${encodeURI(example(one))}`).join('&');
  const url = `$GATEWAY${filled}${search === '' ? '' : `?${search}`}`;
  return [
    'curl',
    ...(security?.length === 0 ? [] : ['-H "$AUTH"']),
    ...(method === 'get' || (method === 'post' && first !== undefined) ? [] : [`-X ${method.toUpperCase()}`]),
    ...(first === undefined ? [] : [`-H "$JSON" -d '${JSON.stringify(first.value)}'`]),
    search === '' ? url : `"${url}"`,
  ].join(' ');
}

async function pluginExample(): Promise<string> {
  const code = await readFile(new URL('../examples/plugin.ts', import.meta.url), 'utf8');
  return `\`\`\`ts\n${code.replace("'../src/index.ts'", "'fastify-holdfast'").trimEnd()}\n\`\`\``;
}

/** README.md as it should be. @throws Error where a marker is missing. */
export async function generateReadme(present: string): Promise<string> {
  const parts: Record<string, string> = {
    plugin: await pluginExample(),
    rest: await restTable(),
    options: optionsTable(),
    command: commandTable(),
    environment: environmentTable(),
  };
  let text = present;
  for (const [name, content] of Object.entries(parts)) {
    const marked = new RegExp(`(<!-- ${name} -->\\n)[\\s\\S]*?(<!-- /${name} -->)`);
    if (!marked.test(text)) throw new Error(`README.md has no part between <!-- ${name} --> and <!-- /${name} -->.`);
    text = text.replace(marked, (_all, begin: string, end: string) => `${begin}${content}\n${end}`);
  }
  return text;
}

async function main(): Promise<void> {
  const present = await readFile(readmeFile, 'utf8');
  const wanted = await generateReadme(present);
  if (!process.argv.includes('--check')) {
    await writeFile(readmeFile, wanted);
    console.log('README.md written.');
  } else if (present !== wanted) {
    console.error('README.md differs from the code. Run "npm run readme" and commit the file.');
    process.exitCode = 1;
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) await main();
