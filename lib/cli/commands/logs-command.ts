/** `caisson logs`. */
import { parseCommandLine } from '../args/command-line.js';
import { complain } from './each.js';
import { LOGS } from '../flags/logs-flags.js';
import { at, type EngineLocation } from '../command-context.js';
import { abortedBySignals } from '../terminal/command-signals.js';
import { OutputStream } from '../terminal/output-stream.js';
import { print } from '../report.js';

export async function logs(args: readonly string[], location: EngineLocation): Promise<number> {
  const line = parseCommandLine(LOGS, args);
  const stop = abortedBySignals();
  const output = {
    stdout: new OutputStream(1, stop),
    stderr: new OutputStream(2, stop),
  };
  try {
    return await at(location, async (context) => {
      const container = await context.get(line.args[0] ?? '');
      const { state } = await container.inspect();
      let damaged = 0;
      const entries = container.logs({
        follow: line.has('follow'),
        tail: tailOf(line.value('tail')),
        since: line.value('since'),
        until: line.value('until'),
        signal: stop,
        onDamaged: () => damaged++,
      });
      const stamped = line.has('timestamps');
      const details = line.has('details');
      const begun = { stdout: false, stderr: false }; // a line is only partly printed so far
      for await (const { stream, time, bytes, partial } of entries) {
        // Docker puts a space where the attributes end, also when there are none.
        const start = `${stamped ? `${time} ` : ''}${details ? ' ' : ''}`;
        const prefix = start !== '' && !begun[stream] ? Buffer.from(start) : undefined;
        begun[stream] = partial;
        // One after the other, as both may be the same pipe.
        await output[stream].write(prefix === undefined ? bytes : Buffer.concat([prefix, bytes]));
        if (stop.aborted) break;
      }
      if (damaged > 0) print(2, `caisson: ${damaged} damaged lines of the log were left out\n`);
      if (state.logLost > 0)
        print(
          2,
          `caisson: ${state.logLost} bytes of output are missing: they could not be written\n`,
        );
      return 0;
    });
  } catch (error) {
    await complain(error);
    return 1;
  }
}

/** As Docker: a negative number is all. */
function tailOf(text: string | undefined): string | undefined {
  return text !== undefined && /^-\d+$/.test(text) ? 'all' : text;
}
