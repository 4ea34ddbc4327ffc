/** What the command line says when something fails. */
import { CaissonError } from '../base/errors.js';
import { OutputError, type OutputFd, writeAll } from './terminal/output.js';
import { endBySignal, SignalError } from './terminal/command-signals.js';

/**
 * Straight to the descriptor: complete before the process ends, and without making a stream of it. Throws an OutputError
 * where standard output cannot be written; there is no place for saying that of standard error.
 */
export function print(fd: OutputFd, text: string): void {
  try {
    writeAll(fd, Buffer.from(text));
  } catch (error) {
    if (fd === 1) throw error;
  }
}

/** Prints it and answers the exit code; does not return where a signal is what says it. */
export async function reportError(error: unknown): Promise<number> {
  if (error instanceof SignalError) return error.status ?? endBySignal(error.signal);
  if (error instanceof OutputError) {
    if (error.readerHasLeft) return endBySignal('SIGPIPE');
    print(2, `caisson: ${error.message}\n`);
    return 1;
  }
  if (error instanceof CaissonError) {
    const { errorText } = await import('./format/error-text.js');
    print(2, errorText(error));
    return error.exitCode;
  }
  print(2, `caisson: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return 125;
}
