/** What the text of a variable means, and what is read from the file that it names. */
import { readFileSync } from 'node:fs';
import { type AdminRole, type AdminToken, tokenPattern } from './admin/settings.ts';
import { ConfigInvalid } from './command-schema.ts';
import { scrubPath } from './observe/scrub.ts';
import { maxWorkers } from './workers/settings.ts';

export function listOf(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

/** @throws ConfigInvalid */
export function readWorkers(text: string, name: string): number | 'auto' {
  if (text === 'auto') return 'auto';
  if (/^\d{1,3}$/.test(text) && Number(text) <= maxWorkers) return Number(text);
  throw new ConfigInvalid(`${name} must be a whole number from 0 to ${maxWorkers}, or auto.`);
}

/** As it is called in the audit. */
export function named(role: AdminRole, token: string): AdminToken {
  return { name: `env-${role}`, role, token };
}

export function readToken(file: string, name: string): string {
  const text = readText(file, name);
  if (new RegExp(tokenPattern).test(text)) return text;
  throw new ConfigInvalid(`${name}: ${file} must hold one token of at least 8 characters, without spaces.`);
}

export function readSecret(file: string, name: string, what: string): string {
  const text = readText(file, name);
  if (/^\S+$/.test(text)) return text;
  throw new ConfigInvalid(`${name}: ${file} must hold ${what}, without spaces.`);
}

/** Without the white space around it. */
function readText(file: string, name: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new ConfigInvalid(`${name}: ${scrubPath(file)} cannot be read (${(error as NodeJS.ErrnoException).code}).`);
  }
}
