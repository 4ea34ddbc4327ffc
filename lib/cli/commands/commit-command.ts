/** `caisson commit`. */
import { parseCommandLine } from '../args/command-line.js';
import { at, type EngineLocation } from '../command-context.js';
import { COMMIT } from '../flags/commit-flags.js';
import { print } from '../report.js';
import { endOnSignals, SignalError } from '../terminal/command-signals.js';
import { complain } from './each.js';

export async function commit(args: readonly string[], location: EngineLocation): Promise<number> {
  const line = parseCommandLine(COMMIT, args);
  const [name = '', target] = line.args;
  return at(location, async (context) => {
    const abort = new AbortController();
    const signals = endOnSignals();
    signals.ended.catch((reason: unknown) => abort.abort(reason));
    try {
      const container = await context.get(name);
      const image = await container.commit(target, {
        author: line.value('author') ?? '',
        changes: line.values('change'),
        message: line.value('message') ?? '',
        pause: line.has('pause', true),
        signal: abort.signal,
      });
      print(1, `${image.id}\n`);
      return 0;
    } catch (error) {
      if (error instanceof SignalError) throw error;
      await complain(error);
      return 1;
    } finally {
      signals.release();
    }
  });
}
