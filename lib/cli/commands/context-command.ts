/** What the commands that end as Docker's do have in common. */
import { type CommandLine, parseCommandLine } from '../args/command-line.js';
import type { CommandSpec } from '../args/command-spec.js';
import { UsageError } from '../args/usage-error.js';
import type { CommandFunction } from '../command.js';
import { at, type CommandContext } from '../command-context.js';
import { print } from '../report.js';
import { OutputError } from '../terminal/output.js';
import { SignalError } from '../terminal/command-signals.js';
import { TemplateError } from '../template/error.js';
import { complain } from './each.js';

/** Parses the arguments, and reports errors as Docker does, which exits with 1 for them. */
export function contextCommand(
  spec: CommandSpec,
  work: (line: CommandLine, context: CommandContext) => Promise<number>,
): CommandFunction {
  return async (args, location) => {
    const line = parseCommandLine(spec, args);
    try {
      return await at(location, (context) => work(line, context));
    } catch (error) {
      if (
        error instanceof UsageError ||
        error instanceof OutputError ||
        error instanceof SignalError
      )
        throw error;
      if (error instanceof TemplateError) print(2, `caisson: ${error.message}\n`);
      else await complain(error);
      return 1;
    }
  };
}
