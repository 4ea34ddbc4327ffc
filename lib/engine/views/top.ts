/** What runs in a container, in the words of the host's ps(1), as `docker top` shows it. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { CaissonError } from '../../base/errors.js';
import { invalid, stringList } from '../../base/check.js';
import { processesOf } from '../../cgroup/processes.js';

/** What ps(1) prints of its processes. */
export interface TopResult {
  /** Of the columns. */
  readonly titles: readonly string[];
  /** A row for each process, with a text for each title. */
  readonly processes: readonly (readonly string[])[];
}

/** Cgroup directories, or a function that finds the host's pids. */
export type PidSource = readonly string[] | (() => Promise<readonly number[]>);

/** The kernel's limit for one argument, MAX_ARG_STRLEN, and some room. */
const MAX_ARGUMENT = 120_000;
const MAX_OUTPUT = 64 << 20;

/**
 * @param psArgs handed to ps as they are; no shell sees them.
 * @throws ERR_INVALID_OPTION for arguments without a PID column, ERR_PS_FAILED
 */
export async function top(
  source: PidSource,
  psArgs: readonly string[] = ['-ef'],
): Promise<TopResult> {
  const args = stringList('psArgs', psArgs);
  checkTitles(args);
  const pids = typeof source === 'function' ? await source() : await processesOf(source);
  return parsePs(await runPs(args.length === 0 ? ['-ef'] : args, pids), new Set(pids));
}

/** Another column that calls itself PID would decide which rows are shown (moby daemon/top_unix.go). */
function checkTitles(args: readonly string[]): void {
  for (const [, column = '', title = ''] of ` ${args.join(' ')}`.matchAll(/(\w+)=\s*(PID\S*)/g)) {
    if (column !== 'pid')
      throw invalid('psArgs', `${column}=${title}`, 'is not allowed: it looks like the PID column');
  }
}

const run = promisify(execFile);

/**
 * Asked for the container's processes as well: without an -e among the arguments ps shows those of the
 * caller's terminal only. A ps that cannot combine the two is asked without.
 */
async function runPs(args: readonly string[], pids: readonly number[]): Promise<string> {
  const list = pids.join();
  const options = {
    maxBuffer: MAX_OUTPUT,
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], LC_ALL: 'C.UTF-8', TERM: 'dumb' },
  } as const;
  if (list !== '' && list.length < MAX_ARGUMENT) {
    try {
      return (await run('ps', [...args, '-p', list], options)).stdout;
    } catch {
      // What is wrong with the arguments themselves is said below.
    }
  }
  try {
    return (await run('ps', args, options)).stdout;
  } catch (cause) {
    const { code, stderr } = cause as { code?: string | number; stderr?: string };
    const missing = code === 'ENOENT';
    const [why = ''] = (stderr ?? '').trim().split('\n');
    throw new CaissonError(
      'ERR_PS_FAILED',
      missing ? 'there is no ps on this machine' : `ps: ${why === '' ? `exit code ${code}` : why}`,
      {
        path: 'ps',
        errno: missing ? code : undefined,
        hint: missing ? 'install procps' : undefined,
        cause,
      },
    );
  }
}

/** Titles and rows as ps prints them; the last column is the rest of the line. */
export function parsePs(output: string, pids: ReadonlySet<number>): TopResult {
  const [header = '', ...lines] = output.split('\n');
  const titles = header.trim().split(/\s+/);
  const column = titles.indexOf('PID');
  if (column === -1) {
    throw new CaissonError('ERR_INVALID_OPTION', `psArgs: Couldn't find PID field in ps output`, {
      path: 'psArgs',
    });
  }
  const processes: string[][] = [];
  let ofContainer = false;
  for (const line of lines) {
    if (line.trim() === '' || line === header) continue;
    const fields = splitRow(line, titles.length);
    const pid = fields[column] ?? '';
    // With -m, the rows of threads come after that of their process and have no number.
    if (pid !== '-') {
      if (!/^\d+$/.test(pid)) {
        throw new CaissonError('ERR_INVALID_OPTION', `psArgs: unexpected pid '${pid}'`, {
          path: 'psArgs',
          hint: 'a column in front of PID has more than one word',
        });
      }
      ofContainer = pids.has(Number(pid));
    }
    if (ofContainer) processes.push(fields);
  }
  return { titles, processes };
}

function splitRow(line: string, columns: number): string[] {
  const fields: string[] = [];
  let rest = line.trim();
  while (fields.length < columns - 1) {
    const match = /^(\S+)\s+/.exec(rest);
    if (match === null) break;
    fields.push(match[1] ?? '');
    rest = rest.slice(match[0].length);
  }
  fields.push(rest);
  return fields;
}
