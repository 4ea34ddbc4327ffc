/** What the command line says when something fails. */
import { writeSync } from 'node:fs';
import { CaissonError } from '../errors.js';
import { UsageError } from './usage-error.js';

/** Straight to the descriptor: complete before the process ends, and without making a stream of it. */
export function print(fd: 1 | 2, text: string): void {
  const bytes = Buffer.from(text);
  for (let done = 0; done < bytes.length;) {
    try {
      done += writeSync(fd, bytes, done);
    } catch (error) {
      // A pipe that somebody made non-blocking is full: its reader is slow. Any other failure: nobody reads.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}

/** The help of a command, such as `explain run`; commander is loaded only now. Answers the exit code. */
export async function printHelp(path: string): Promise<0> {
  const { helpText } = await import('./help.js');
  print(1, helpText(path));
  return 0;
}

/** Prints it and answers the exit code. */
export async function reportError(error: unknown): Promise<number> {
  if (error instanceof UsageError) {
    const { usageText } = await import('./help.js');
    print(2, `caisson: ${error.message}\n${usageText(error.command)}`);
    return error.status;
  }
  if (error instanceof CaissonError) {
    const { errorText } = await import('./error-text.js');
    print(2, errorText(error));
    return error.exitCode;
  }
  print(2, `caisson: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return 125;
}
