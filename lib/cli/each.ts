/** Commands that do the same to each container that is named. */
import type { Container } from '../engine/container.js';
import { CaissonError } from '../errors.js';
import { at, type CommandHome, type EngineLocation } from './home.js';
import { print } from './report.js';

/**
 * One after the other; prints each name when it is done, or why it was not. Answers the exit code: 1 when one
 * of them failed.
 */
export function each(
  names: readonly string[],
  location: EngineLocation,
  work: (
    container: Container,
    name: string,
    home: CommandHome,
  ) => Promise<string | undefined | void>,
): Promise<number> {
  return at(location, async (home) => {
    let code = 0;
    for (const name of names) {
      try {
        const said = await work(await home.get(name), name, home);
        print(1, `${said ?? name}\n`);
      } catch (error) {
        await complain(error);
        code = 1;
      }
    }
    return code;
  });
}

/** Says what went wrong with one of several. */
export async function complain(error: unknown): Promise<void> {
  if (!(error instanceof CaissonError)) throw error;
  const { errorText } = await import('./error-text.js');
  print(2, errorText(error));
}
