/** `caisson exec`. */
import { isatty } from 'node:tty';
import type { Execution } from '../../engine/start/execution.js';
import type { RunResult } from '../../engine/start/run-result.js';
import { CaissonError } from '../../base/errors.js';
import { connectStreams } from '../terminal/client.js';
import { parseCommandLine } from '../args/command-line.js';
import { parseDetachKeys } from '../terminal/detach-keys.js';
import { complain } from './each.js';
import { EXEC } from '../flags/exec-flags.js';
import { at, type EngineLocation } from '../command-context.js';
import { print } from '../report.js';
import { environment, processContext } from '../args/run-invocation.js';
import { endOnSignals } from '../terminal/command-signals.js';

export async function exec(args: readonly string[], location: EngineLocation): Promise<number> {
  const line = parseCommandLine(EXEC, args);
  let keys: Uint8Array;
  let env: readonly string[];
  try {
    keys = parseDetachKeys(line.value('detach-keys'));
    const values = new Map([
      ['env', line.values('env')],
      ['env-file', line.values('env-file')],
    ]);
    env = environment({ values }, processContext());
  } catch (error) {
    await complain(error);
    return 1;
  }
  const [name = '', ...argv] = line.args;
  const tty = line.has('tty');
  const interactive = line.has('interactive');
  const detach = line.has('detach');
  if (tty && interactive && !detach && !isatty(0)) {
    print(2, 'caisson: the input device is not a TTY\n');
    return 1;
  }
  try {
    return await at(location, async (context) => {
      const container = await context.get(name);
      const { callerSize } = await import('../terminal/caller-terminal.js');
      const execution = container.exec(argv, {
        env,
        user: line.value('user'),
        workdir: line.value('workdir'),
        privileged: line.has('privileged'),
        tty: tty && !detach ? (callerSize() ?? true) : undefined,
        detachable: tty && interactive && !detach,
        ...(detach
          ? { detach: true }
          : { stdin: interactive ? 'pipe' : 'null', stdout: 'pipe', maxOutput: 0 }),
      });
      if (detach) {
        await execution;
        return 0;
      }
      return tty ? withTerminal(execution, interactive, keys) : withStreams(execution, interactive);
    });
  } catch (error) {
    await complain(error);
    // As Docker: 126 also for a program that is missing; other failures are the engine's.
    return error instanceof CaissonError && isOfTheProgram(error) ? 126 : 1;
  }
}

/** The program cannot be started, as opposed to a container that is missing or does not run. */
function isOfTheProgram({ exitCode, code, stage }: CaissonError): boolean {
  return (
    exitCode !== 125 ||
    stage !== 'config' ||
    code === 'ERR_INVALID_OPTION' ||
    code === 'ERR_NO_SUCH_USER'
  );
}

async function withTerminal(
  execution: Execution,
  interactive: boolean,
  detachKeys: Uint8Array,
): Promise<number> {
  const { CallerTerminal } = await import('../terminal/caller-terminal.js');
  const terminal = new CallerTerminal(
    {
      stdin: execution.stdin,
      stdout: execution.stdout,
      detach: () => execution.detach(),
      resize: (size) => execution.resize(size),
    },
    interactive,
    detachKeys,
  );
  try {
    const { exitCode, detached } = await untilEnd(execution, terminal.lost);
    await terminal.shown();
    return detached ? 1 : exitCode;
  } finally {
    terminal.close();
  }
}

async function withStreams(execution: Execution, interactive: boolean): Promise<number> {
  const streams = connectStreams(execution, interactive);
  const { exitCode } = await untilEnd(execution, streams.lost);
  if (interactive) process.stdin.unpipe().pause();
  await streams.shown();
  return exitCode;
}

/** As Docker: signals are not forwarded; the program ends with this command. */
async function untilEnd(execution: Execution, lost: Promise<never>): Promise<RunResult> {
  const signals = endOnSignals();
  try {
    return await Promise.race([execution, signals.ended, lost]);
  } catch (error) {
    execution.kill('SIGKILL');
    throw error;
  } finally {
    signals.release();
  }
}
