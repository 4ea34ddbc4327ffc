/** The command line: flags of caisson itself, then a command. */
import type { CgroupDriver } from '../cgroup/systemd.js';
import { absolutePath } from '../base/working-directory.js';
import { GLOBAL_FLAGS } from './flag-table.js';
import type { EngineLocation } from './context.js';
import { FlagParser } from './parse-flags.js';
import { print, printHelp, reportError } from './report.js';
import { ignoreHarmlessSignals } from './signals.js';
import { UsageError } from './usage-error.js';

/** Docker's commands that caisson will have; until then each says so. */
const NOT_YET: ReadonlySet<string> = new Set<string>(
  'commit cp diff export history image images import load network port pull push rmi save system tag volume'.split(
    ' ',
  ),
);

/** Answers the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  ignoreHarmlessSignals();
  try {
    return await dispatch(argv);
  } catch (error) {
    return reportError(error);
  }
}

async function dispatch(argv: readonly string[]): Promise<number> {
  const { values, switches, rest } = new FlagParser('', GLOBAL_FLAGS).parse(argv);
  const [command, ...args] = rest;
  if (switches.get('version') === true) {
    const { packageVersion } = await import('../base/package-version.js');
    print(1, `caisson version ${packageVersion()}\n`);
    return 0;
  }
  if (command === undefined || command === 'help' || switches.get('help') === true) {
    return printHelp(command === 'help' ? args.join(' ') : (command ?? ''));
  }
  const dataRoot = values.get('data-root')?.at(-1);
  const runRoot = values.get('run-root')?.at(-1);
  const cgroupDriver = cgroupManager(values.get('cgroup-manager')?.at(-1));
  const location = {
    ...(dataRoot === undefined ? {} : { dataRoot: absolutePath('--data-root', dataRoot) }),
    ...(runRoot === undefined ? {} : { runRoot: absolutePath('--run-root', runRoot) }),
    ...(cgroupDriver === undefined ? {} : { cgroupDriver }),
  };
  if (command !== 'container') return runCommand(command, args, location);
  const [verb, ...words] = args;
  if (verb === undefined || verb === '--help') {
    return printHelp('container');
  }
  const { containerCommand } = await import('./container-group.js');
  return runCommand(containerCommand(verb) ?? `container ${verb}`, words, location);
}

function cgroupManager(name: string | undefined): CgroupDriver | undefined {
  if (name === undefined || name === 'systemd' || name === 'cgroupfs') return name;
  throw new UsageError(
    'ERR_INVALID_OPTION',
    `invalid argument "${name}" for "--cgroup-manager" flag: neither "systemd" nor "cgroupfs"`,
    '',
  );
}

/** Each command is loaded only when it is meant: most of a short command's time is loading. */
async function runCommand(
  command: string,
  args: readonly string[],
  location: EngineLocation,
): Promise<number> {
  switch (command) {
    case 'run':
    case 'create':
      return (await import('./commands/run.js'))[command](args, location);
    case 'start':
    case 'stop':
    case 'restart':
    case 'kill':
    case 'pause':
    case 'unpause':
    case 'attach':
    case 'wait':
    case 'rename':
    case 'rm':
      return (await import('./commands/lifecycle.js'))[command](args, location);
    case 'exec':
      return (await import('./commands/exec.js')).exec(args, location);
    case 'logs':
      return (await import('./commands/logs.js')).logs(args, location);
    case 'ps':
    case 'inspect':
      return (await import('./commands/list.js'))[command](args, location);
    case 'stats':
    case 'top':
    case 'update':
      return (await import('./commands/usage.js'))[command](args, location);
    case 'events':
      return (await import('./commands/events.js')).events(args, location);
    case 'container prune':
    case 'prune':
      return (await import('./commands/events.js')).prune(args, location);
    case 'completion':
      return (await import('./commands/completion.js')).completion(args);
    case 'explain':
      return (await import('./commands/explain.js')).explain(args, location);
    case 'info':
      return (await import('./commands/info.js')).info(args, location);
    case 'version':
      return (await import('./commands/version.js')).version(args);
  }
  if (NOT_YET.has(command)) {
    print(
      2,
      `caisson: the command "${command}" is not there yet\n\nRun 'caisson --help' for what is\n`,
    );
    return 1;
  }
  print(
    2,
    `caisson: unknown command: caisson ${command}\n\nRun 'caisson --help' for more information\n`,
  );
  return 1;
}
