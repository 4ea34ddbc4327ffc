/** Commands that do the same with each of the named containers. */
import type { Container } from '../../engine/container/container.js';
import { CaissonError } from '../../base/errors.js';
import { at, type CommandContext, type EngineLocation } from '../command-context.js';
import { OutputError } from '../terminal/output.js';
import { print } from '../report.js';

/**
 * One after the other; prints each name when it is done, or the error. Answers the exit code: 1 if one of them failed,
 * unless `forgiven` accepts the error. A name that could not be printed is reported at the end.
 */
export function each(
  names: readonly string[],
  location: EngineLocation,
  work: (
    container: Container,
    name: string,
    context: CommandContext,
  ) => Promise<string | undefined | void>,
  forgiven: (error: CaissonError) => boolean = () => false,
): Promise<number> {
  return at(location, async (context) => {
    let code = 0;
    let lost: OutputError | undefined;
    for (const name of names) {
      try {
        const said = await work(await context.get(name), name, context);
        print(1, `${said ?? name}\n`);
      } catch (error) {
        if (error instanceof OutputError && !error.readerHasLeft) {
          lost ??= error;
          continue;
        }
        await complain(error);
        if (!(error instanceof CaissonError && forgiven(error))) code = 1;
      }
    }
    if (lost !== undefined) throw lost;
    return code;
  });
}

/** Prints the error of one of several containers. */
export async function complain(error: unknown): Promise<void> {
  if (!(error instanceof CaissonError)) throw error;
  const { errorText } = await import('../format/error-text.js');
  print(2, errorText(error));
}
