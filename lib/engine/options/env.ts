/** The container's environment: nothing of this process's own, Docker's few variables, the image's, the user's. */
import { splitAssignment, withAssignments } from '../../base/assignment.js';
import { DEFAULT_PATH } from '../../base/default-path.js';
import { CaissonError } from '../../base/errors.js';
import { invalid, isRecordOrList, plainString } from '../../base/check.js';
import { splitLines } from '../../base/lines.js';
import type { ProcessOptions } from './options.js';

const NONE: readonly string[] = Object.freeze([]);

/** `NAME=value` strings, and `NAME` alone for a variable to be taken away. */
export function normalizeEnv(value: ProcessOptions['env']): readonly string[] {
  if (value === undefined) return NONE;
  if (!isRecordOrList(value)) throw invalid('env', value, 'is neither a record nor an array');
  if (Array.isArray(value)) {
    for (const text of value as readonly unknown[]) {
      const assignment = plainString('env', text);
      if (assignment === '' || assignment.startsWith('='))
        throw invalid('env', text, 'has no name');
    }
    return value as readonly string[];
  }
  const assignments: string[] = [];
  for (const [name, text] of Object.entries(
    value as Readonly<Record<string, string | undefined>>,
  )) {
    if (name === '') throw invalid('env', `=${text}`, 'has no name');
    if (name.includes('=')) throw invalid('env', name, 'is a name with "=" in it');
    plainString('env', name);
    assignments.push(text === undefined ? name : `${name}=${plainString('env', text)}`);
  }
  return assignments;
}

export interface EnvironmentFacts {
  readonly hostname: string;
  readonly home: string;
  readonly terminal: boolean;
}

/** In Docker's order: PATH, HOSTNAME, TERM, then the image's, then the user's, then HOME if it is not set. */
export function buildEnvironment(
  image: readonly string[],
  user: readonly string[],
  { hostname, home, terminal }: EnvironmentFacts,
): readonly string[] {
  const own = [`PATH=${DEFAULT_PATH}`, `HOSTNAME=${hostname}`, ...(terminal ? ['TERM=xterm'] : [])];
  const env = withAssignments(own, [...image, ...user]);
  return env.some((each) => each.startsWith('HOME=')) ? env : [...env, `HOME=${home}`];
}

/**
 * The assignments of an `--env-file`, as Docker reads it (docker/cli pkg/kvfile): `#` begins a comment line,
 * leading white space is dropped, quotes mean nothing, `NAME` alone takes the value that `lookup` has for it
 * and is left out when it has none.
 */
export function parseEnvFile(
  file: string,
  content: string,
  lookup: (name: string) => string | undefined,
  option = 'env-file',
): readonly string[] {
  const assignments: string[] = [];
  const lines = splitLines(content.replace(/^\uFEFF/, ''));
  for (const [index, raw] of lines.entries()) {
    const line = raw.trimStart();
    if (line === '' || line.startsWith('#')) continue;
    const { name, value: given } = splitAssignment(line);
    const fail = (why: string): CaissonError =>
      new CaissonError('ERR_INVALID_OPTION', `${option}: ${file}, line ${index + 1}: ${why}`, {
        stage: 'config',
        path: file,
      });
    if (line.includes('\0')) throw fail('contains a NUL byte');
    if (name === '') throw fail('no variable name');
    if (/\s/.test(name)) throw fail(`the variable name "${name}" contains white space`);
    if (given !== undefined) assignments.push(line);
    else {
      const value = lookup(name);
      if (value !== undefined) assignments.push(`${name}=${value}`);
    }
  }
  return assignments;
}
