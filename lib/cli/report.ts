/** How the command line prints, and how it reports failures. */
import { CaissonError } from '../base/errors.js';
import { OutputError, type OutputFd, writeAll } from './terminal/output.js';
import { endBySignal, SignalError } from './terminal/command-signals.js';

/**
 * Writes to the descriptor directly: it is complete before the process ends, and no stream is made. Throws an
 * OutputError if standard output cannot be written; for standard error that cannot be reported.
 */
export function print(fd: OutputFd, text: string): void {
  try {
    writeAll(fd, Buffer.from(text));
  } catch (error) {
    if (fd === 1) throw error;
  }
}

/** Of what could not be done, and fails for nothing. */
export function warningText({ message, hint }: { message: string; hint: string }): string {
  return `WARNING: ${message}\nhint: ${hint}\n`;
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
