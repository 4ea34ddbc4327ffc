/** `caisson start stop restart kill pause unpause rm rename wait attach`. */
import { isatty } from 'node:tty';
import type { Container } from '../../engine/container/container.js';
import { isTerminal } from '../../engine/options/terminal.js';
import { checkReferences, matches, parseFilters } from '../../engine/views/filters.js';
import { parseSignal } from '../../base/signals.js';
import { CaissonError } from '../../base/errors.js';
import { serveClient } from '../terminal/client.js';
import { checkArguments, type CommandLine, parseCommandLine } from '../args/command-line.js';
import { parseDetachKeys } from '../terminal/detach-keys.js';
import { complain, each } from './each.js';
import type { CommandSpec } from '../args/command-spec.js';
import { ATTACH } from '../flags/attach-flags.js';
import { KILL } from '../flags/kill-flags.js';
import { PAUSE, UNPAUSE } from '../flags/pause-flags.js';
import { RENAME } from '../flags/rename-flags.js';
import { RM } from '../flags/rm-flags.js';
import { START } from '../flags/start-flags.js';
import { RESTART, STOP } from '../flags/stop-flags.js';
import { WAIT } from '../flags/wait-flags.js';
import { at, type EngineLocation } from '../command-context.js';
import type { CommandFunction } from '../command.js';

/** A command that gets its parsed command line. */
function command(
  spec: CommandSpec,
  work: (line: CommandLine, location: EngineLocation) => Promise<number>,
): CommandFunction {
  return async (args, location) => {
    const line = parseCommandLine(spec, args);
    return failing(() => work(line, location));
  };
}

/** As Docker: 1 for a failure in the engine. */
async function failing(work: () => Promise<number>): Promise<number> {
  try {
    return await work();
  } catch (error) {
    await complain(error);
    return 1;
  }
}

const stopOptions = (line: CommandLine) => {
  const signal = line.value('signal');
  return {
    signal: signal === undefined ? undefined : parseSignal('signal', signal),
    timeout: line.integer('timeout'),
  };
};

export const stop = command(STOP, (line, location) => {
  const options = stopOptions(line);
  return each(line.args, location, (container) => container.stop(options));
});

export const restart = command(RESTART, (line, location) => {
  const options = stopOptions(line);
  return each(line.args, location, (container) => container.restart(options));
});

export const kill = command(KILL, (line, location) => {
  const signal = parseSignal('signal', line.value('signal') ?? 'KILL');
  return each(line.args, location, (container) => container.kill(signal));
});

export const pause = command(PAUSE, (line, location) =>
  each(line.args, location, (container) => container.pause()),
);

export const unpause = command(UNPAUSE, (line, location) =>
  each(line.args, location, (container) => container.unpause()),
);

export const wait = command(WAIT, (line, location) =>
  each(line.args, location, async (container) =>
    String((await container.wait({ restarts: false })).exitCode),
  ),
);

export const rename = command(RENAME, ({ args: [from = '', to = ''] }, location) =>
  at(location, async (context) => {
    await (await context.get(from)).rename(to);
    return 0;
  }),
);

export const rm = command(RM, (line, location) => {
  const force = line.has('force');
  return each(
    line.args,
    location,
    (container) => container.remove({ force, volumes: line.has('volumes') }),
    ({ code }) => force && code === 'ERR_NO_SUCH_CONTAINER',
  );
});

export const start = command(START, (line, location) => {
  const attach = line.has('attach') || line.has('interactive');
  if (line.has('all') || line.values('filter').length > 0) {
    if (attach || line.args.length > 0) {
      throw new CaissonError(
        'ERR_CONFLICTING_OPTIONS',
        'containers are either named or selected by --all and --filter',
        { stage: 'config', hint: '--all and --filter exclude names, -a and -i' },
      );
    }
    return startAll(line.values('filter'), location);
  }
  checkArguments({ ...START, args: [1, Infinity] }, line.args.length);
  if (!attach) return each(line.args, location, (container) => container.start());
  if (line.args.length > 1) {
    throw new CaissonError('ERR_CONFLICTING_OPTIONS', 'only one container can be attached to', {
      stage: 'config',
    });
  }
  const detachKeys = parseDetachKeys(line.value('detach-keys'));
  return at(location, async (context) => {
    const container = await context.get(line.args[0] ?? '');
    const { config } = await container.inspect();
    const stdin = line.has('interactive') && config.openStdin;
    const attached = container.startAttached({ stdin });
    const tty = isTerminal(config.options);
    const result = await serveClient(attached, {
      tty,
      stdin,
      sigProxy: true,
      detachKeys,
      endsContainer: config.autoRemove,
    });
    return result.detached ? 0 : result.exitCode;
  });
});

/** As podman's, for containers that start at boot: `start --all --filter should-start-on-boot=true`. */
async function startAll(wanted: readonly string[], location: EngineLocation): Promise<number> {
  const filters = parseFilters(wanted);
  const names = await at(location, async (context) => {
    const everything = await context.list();
    checkReferences(filters, everything);
    // In the order of their creation.
    return everything
      .filter((info) => matches(filters, info, everything))
      .map(({ config }) => config.name)
      .reverse();
  });
  return each(
    names,
    location,
    (container) => container.start(),
    // Removed meanwhile.
    ({ code }) => code === 'ERR_NO_SUCH_CONTAINER',
  );
}

export const attach = command(ATTACH, (line, location) => {
  const detachKeys = parseDetachKeys(line.value('detach-keys'));
  return at(location, async (context) => {
    const container = await context.get(line.args[0] ?? '');
    const { config, status } = await container.inspect();
    mustRun(container, status);
    const tty = isTerminal(config.options);
    const stdin = !line.has('no-stdin') && config.openStdin;
    if (tty && stdin && !isatty(0)) {
      throw new CaissonError('ERR_INVALID_OPTION', 'the input device is not a TTY', {
        stage: 'config',
        hint: 'attach to a container with a terminal from a terminal, or use --no-stdin',
      });
    }
    const attached = container.attach({ stdin });
    const result = await serveClient(attached, {
      tty,
      stdin,
      sigProxy: line.has('sig-proxy', true),
      detachKeys,
      redraw: true,
    });
    return result.detached ? 1 : result.exitCode;
  });
});

function mustRun(container: Container, status: string): void {
  if (status === 'running' || status === 'restarting' || status === 'paused') return;
  throw new CaissonError(
    'ERR_CONTAINER_NOT_RUNNING',
    `cannot attach to container ${container.shortId}: it is not running`,
    { stage: 'config', path: container.id, hint: 'start -a starts it and attaches' },
  );
}
