/** The memory of a process and of all its descendants. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';

const INTERVAL = 5;

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // it has ended
  }
}

function* tree(pid: number): Generator<number> {
  yield pid;
  let threads: string[];
  try {
    threads = readdirSync(`/proc/${pid}/task`);
  } catch {
    return;
  }
  for (const thread of threads) {
    const children = read(`/proc/${pid}/task/${thread}/children`).split(' ').filter(Boolean);
    for (const child of children) yield* tree(Number(child));
  }
}

/** The peak of each of those that live now, added up: what they share is counted for each. In bytes. */
function peaksOf(pid: number): number {
  let sum = 0;
  for (const each of tree(pid)) {
    const [, kib = '0'] = /^VmHWM:\s+(\d+) kB$/m.exec(read(`/proc/${each}/status`)) ?? [];
    sum += Number(kib) * 1024;
  }
  return sum;
}

/**
 * Runs a command to its end, looking every 5 ms.
 *
 * @returns bytes: the largest sum of the peaks of processes that lived at the same time
 */
export async function peakMemory([program = '', ...args]: readonly string[]): Promise<number> {
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let complaints = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaints += text));
  let most = 0;
  const timer = setInterval(() => {
    if (child.pid !== undefined) most = Math.max(most, peaksOf(child.pid));
  }, INTERVAL);
  try {
    const [code] = (await once(child, 'close')) as [number | null];
    if (code !== 0) throw new Error(`${program}: exit code ${code ?? 'none'}: ${complaints}`);
    return most;
  } finally {
    clearInterval(timer);
  }
}
