/** `caisson explain run …`: the launch program, printed instead of run. */
import { HelpRequest } from '../args/help-request.js';
import { print } from '../report.js';
import { parseRun, processContext } from '../args/run-invocation.js';
import { UsageError } from '../args/usage-error.js';
import { type EngineLocation, openEngine } from '../command-context.js';
import { withDefaultNetwork } from './with-default-network.js';
import { imageOf } from './run-commands.js';

export async function explain(args: readonly string[], location: EngineLocation): Promise<number> {
  const [verb, ...rest] = args;
  if (verb === '--help') throw new HelpRequest('explain');
  if (verb !== 'run') {
    const what =
      verb === undefined ? '"caisson explain" requires a command' : `cannot explain "${verb}"`;
    throw new UsageError('ERR_INVALID_OPTION', what, 'explain', 1);
  }
  const invocation = parseRun('explain run', rest, processContext());
  const engine = await openEngine(location);
  try {
    const { argv, tty, interactive } = invocation;
    const options = await withDefaultNetwork(engine, invocation.options);
    const text = await engine.explain(imageOf(invocation), argv, {
      ...options,
      tty,
      ...(tty
        ? {}
        : { stdin: interactive ? 'inherit' : 'null', stdout: 'inherit', stderr: 'inherit' }),
    });
    print(1, text.endsWith('\n') ? text : `${text}\n`);
    return 0;
  } finally {
    await engine.close();
  }
}
