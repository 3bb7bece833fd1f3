/** Writes openapi/openapi.json; with --check compares it with the code and exits 1 if they differ. */
import { readFile, writeFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import fastify from 'fastify';
import admin from '../plugins/admin.ts';
import type { AdminTarget } from '../routes/admin-target.ts';
import { EventStream } from '../src/observe/events.ts';

export const documentFile = new URL('./openapi.json', import.meta.url);

/** The document as GET /docs/json gives it with the default options. */
export async function generateDocument(): Promise<string> {
  const app = fastify();
  // Only described, never called.
  const target = { events: new EventStream(() => {}) } as unknown as AdminTarget;
  try {
    await app.register(admin, { target, admin: { auth: { tokens: ['only-for-the-document'] } } });
    const answer = await app.inject('/docs/json');
    return `${JSON.stringify(answer.json(), null, 2)}\n`;
  } finally {
    await app.close();
  }
}

async function main(): Promise<void> {
  const document = await generateDocument();
  if (!process.argv.includes('--check')) {
    await writeFile(documentFile, document);
    console.log('openapi/openapi.json written.');
    return;
  }
  const committed = await readFile(documentFile, 'utf8').catch(() => '');
  if (committed === document) return;
  console.error('openapi/openapi.json differs from the code. Run "npm run openapi" and commit the file.');
  process.exitCode = 1;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) await main();
