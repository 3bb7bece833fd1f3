/** DESIGN section 12: imports go downward only and never in a circle; type-only imports count too. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

interface Import {
  readonly from: string;
  /** A file of ours, relative to the repository, or a package. */
  readonly to: string;
  readonly typeOnly: boolean;
  /** By import(). */
  readonly lazy: boolean;
}

function listSources(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(root, join(entry.parentPath ?? entry.path, entry.name)));
}

function importsOf(file: string, source: string): Import[] {
  const code = source.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/^\s*\/\/.*$/gm, '');
  const found: Import[] = [];
  const statement =
    /^\s*(?:import|export)\s+(type\s)?([^'";]*?)\sfrom\s+'([^']+)'|^\s*import\s+'([^']+)'|\bimport\('([^']+)'\)/gm;
  for (const [, type, names = '', from, bare, dynamic] of code.matchAll(statement)) {
    const specifier = from ?? bare ?? dynamic ?? '';
    const braces = /^\{([^}]*)\}$/
      .exec(names.trim())?.[1]
      ?.split(',')
      .map((name) => name.trim()) ?? [''];
    const typeOnly =
      type !== undefined || braces.every((name, at) => name.startsWith('type ') || (at > 0 && name === ''));
    const to = specifier.startsWith('.') ? normalize(join(dirname(file), specifier)) : specifier;
    found.push({ from: file, to, typeOnly, lazy: dynamic !== undefined });
  }
  return found;
}

const sources = ['src', 'plugins', 'routes', 'openapi'].flatMap(listSources);
const imports = sources.flatMap((file) => importsOf(file, readFileSync(join(root, file), 'utf8')));
const inside = imports.filter((one) => sources.includes(one.to));
const show = ({ from, to, typeOnly }: Import): string => `${from} imports ${typeOnly ? 'types of ' : ''}${to}`;

/** Layers, and what each may import besides itself and what lies at the bottom. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  'src/errors.ts': [],
  'src/schema-error.ts': [],
  settings: [],
  'src/admin': [],
  'src/wire': [],
  'src/heartbeat': [],
  'src/limits': [],
  'src/access': [],
  'src/observe': ['src/limits', 'src/heartbeat'],
  'src/cluster': [],
  'src/gateways': ['src/cluster', 'src/wire', 'src/heartbeat', 'src/observe', 'src/pool', 'src/pipe'],
  'src/link': ['src/limits', 'src/wire', 'src/observe'],
  'src/hooks.ts': ['src/access'],
  'src/options.ts': ['src/cluster', 'src/limits', 'src/access', 'src/link', 'src/hooks.ts'],
  'src/pool': ['src/heartbeat', 'src/observe', 'src/hooks.ts', 'src/options.ts'],
  'src/pipe': [
    'src/limits',
    'src/access',
    'src/wire',
    'src/link',
    'src/pool',
    'src/heartbeat',
    'src/observe',
    'src/hooks.ts',
    'src/options.ts',
  ],
  'src/discovery': ['src/observe', 'src/pool'],
  'src/client': ['src/wire'],
  'src/command-schema.ts': ['src/options.ts'],
  'src/variable-texts.ts': ['src/command-schema.ts', 'src/observe'],
  'src/variables.ts': ['src/command-schema.ts', 'src/variable-texts.ts'],
  'src/environment.ts': ['src/command-schema.ts', 'src/variables.ts'],
  'src/config.ts': [
    'src/limits',
    'src/command-schema.ts',
    'src/environment.ts',
    'src/variable-texts.ts',
    'src/options.ts',
    'src/pool',
  ],
  routes: ['src/gateways', 'src/heartbeat', 'src/observe', 'src/pool', 'src/pipe'],
  plugins: [
    'src/limits',
    'src/access',
    'routes',
    'src/wire',
    'src/link',
    'src/heartbeat',
    'src/observe',
    'src/options.ts',
    'src/pool',
    'src/pipe',
  ],
  'src/index.ts': [
    'src/cluster',
    'src/gateways',
    'src/access',
    'src/discovery',
    'plugins',
    'routes',
    'src/heartbeat',
    'src/observe',
    'src/hooks.ts',
    'src/options.ts',
    'src/pool',
    'src/pipe',
  ],
  'src/app.ts': [
    'src/cluster',
    'plugins',
    'routes',
    'src/index.ts',
    'src/config.ts',
    'src/options.ts',
    'src/observe',
    'src/pipe',
    'src/link',
  ],
  'src/command': ['src/cluster', 'src/app.ts', 'src/command-schema.ts', 'src/config.ts', 'src/link'],
  'src/workers': [
    'src/cluster',
    'src/app.ts',
    'src/command',
    'src/command-schema.ts',
    'src/config.ts',
    'src/options.ts',
  ],
  'src/command.ts': ['src/command', 'src/workers', 'src/command-schema.ts', 'src/config.ts', 'src/variables.ts'],
  'src/server.ts': ['src/command', 'src/command.ts'],
  openapi: ['plugins', 'routes', 'src/observe'],
};

/** Imported by all: the table of errors, what is said of a value that fits no schema, the admin tokens, and the schemas of what can be set. */
const bottom = ['src/errors.ts', 'src/schema-error.ts', 'src/admin', 'settings'];

function layerOf(file: string): string {
  if (/^src\/.*\bsettings\.ts$/.test(file)) return 'settings';
  const parts = file.split('/');
  return parts[0] === 'src' ? `src/${parts[1]}` : (parts[0] ?? '');
}

test('the imports were found', () => {
  assert.ok(inside.length > 100, `only ${inside.length}`);
  const [one, two, three, four] = importsOf(
    'src/pipe/x.ts',
    "import { type A, type B } from './a.ts';\nimport {\n  type C,\n  d,\n} from '../wire/d.ts';\nexport type { E } from 'fastify';\nimport './f.ts';\n// import no from './no.ts';\n",
  );
  assert.deepEqual(one, { from: 'src/pipe/x.ts', to: 'src/pipe/a.ts', typeOnly: true, lazy: false });
  assert.deepEqual(two, { from: 'src/pipe/x.ts', to: 'src/wire/d.ts', typeOnly: false, lazy: false });
  assert.deepEqual(three, { from: 'src/pipe/x.ts', to: 'fastify', typeOnly: true, lazy: false });
  assert.deepEqual(four, { from: 'src/pipe/x.ts', to: 'src/pipe/f.ts', typeOnly: false, lazy: false });
});

test('every file belongs to a layer', () => {
  assert.deepEqual(
    sources.filter((file) => allowed[layerOf(file)] === undefined),
    [],
  );
});

test('imports go downward', () => {
  const upward = inside.filter(({ from, to }) => {
    const own = layerOf(from);
    const other = layerOf(to);
    return own !== other && !bottom.includes(other) && !allowed[own]?.includes(other);
  });
  assert.deepEqual(upward.map(show), []);
});

test('what imports a file is never imported by it, over any number of files', () => {
  assert.deepEqual(findCycles(groupByFile(inside)), []);
});

test('routes take from src/ values of schemas, their words and errors only', () => {
  const values = [
    'src/errors.ts',
    'src/schema-error.ts',
    'src/pool/settings.ts',
    'src/admin/settings.ts',
    'src/observe/vocabulary.ts',
    'src/heartbeat/settings.ts',
    'src/pipe/buffer-settings.ts',
  ];
  const wrong = inside.filter(
    ({ from, to, typeOnly }) =>
      from.startsWith('routes/') && to.startsWith('src/') && !typeOnly && !values.includes(to),
  );
  assert.deepEqual(wrong.map(show), []);
});

test('src/ knows nothing of Fastify but in index.ts and app.ts', () => {
  const edge = ['src/index.ts', 'src/app.ts'];
  const wrong = imports.filter(({ from, to, typeOnly }) => {
    if (!from.startsWith('src/') || edge.includes(from)) return false;
    if (!/^(fastify|@fastify\/)/.test(to) || to === '@fastify/error') return false;
    return !(typeOnly && ['src/options.ts', 'src/hooks.ts'].includes(from));
  });
  assert.deepEqual(wrong.map(show), []);
});

test('nothing of the library imports a development package, and nothing but src/cluster/redis an optional one', () => {
  const { dependencies, peerDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
    peerDependencies: Record<string, string>;
  };
  const wrong = imports.filter(({ from, to }) => {
    if (from.startsWith('openapi/') || sources.includes(to) || to.startsWith('node:')) return false;
    const name = to
      .split('/')
      .slice(0, to.startsWith('@') ? 2 : 1)
      .join('/');
    const optional = from.startsWith('src/cluster/redis/') && peerDependencies[name] !== undefined;
    return dependencies[name] === undefined && !optional;
  });
  assert.deepEqual(wrong.map(show), []);
  // Who has not installed it loads none of these files, unless by import() when it is asked for.
  const loads = inside.filter(({ from, to, typeOnly, lazy }) => {
    const folder = 'src/cluster/redis/';
    return to.startsWith(folder) && !from.startsWith(folder) && !typeOnly && !lazy;
  });
  assert.deepEqual(loads.map(show), []);
});

function groupByFile(all: readonly Import[]): Map<string, string[]> {
  const graph = new Map<string, string[]>();
  for (const { from, to } of all) graph.set(from, [...(graph.get(from) ?? []), to]);
  return graph;
}

/** Each cycle once, as "a -> b -> a". */
function findCycles(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>();
  const path: string[] = [];
  const cycles = new Set<string>();
  const visit = (file: string): void => {
    const at = path.indexOf(file);
    if (at >= 0) {
      cycles.add([...path.slice(at), file].join(' -> '));
      return;
    }
    if (done.has(file)) return;
    path.push(file);
    for (const next of graph.get(file) ?? []) visit(next);
    path.pop();
    done.add(file);
  };
  for (const file of graph.keys()) visit(file);
  return [...cycles];
}
