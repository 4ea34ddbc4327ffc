/** Commands that do the same to each container that is named. */
import type { Container } from '../../engine/container/container.js';
import { CaissonError } from '../../base/errors.js';
import { at, type CommandContext, type EngineLocation } from '../command-context.js';
import { OutputError } from '../terminal/output.js';
import { print } from '../report.js';

/**
 * One after the other; prints each name when it is done, or why it was not. Answers the exit code: 1 when one
 * of them failed and `forgiven` does not say otherwise. That a name could not be printed is said once all is done.
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

/** Says what went wrong with one of several. */
export async function complain(error: unknown): Promise<void> {
  if (!(error instanceof CaissonError)) throw error;
  const { errorText } = await import('../format/error-text.js');
  print(2, errorText(error));
}
