/** The command line: flags of caisson itself, then a command. */
import type { CgroupDriver } from '../cgroup/systemd/systemd.js';
import { absolutePath } from '../base/working-directory.js';
import { GLOBAL_FLAGS } from './args/command-spec.js';
import type { EngineLocation } from './command-context.js';
import { HelpRequest } from './args/help-request.js';
import { FlagParser } from './args/flag-parser.js';
import { findCommand } from './registry.js';
import { print, reportError } from './report.js';
import { ignoreHarmlessSignals } from './terminal/command-signals.js';
import { UsageError } from './args/usage-error.js';

/** Answers the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  ignoreHarmlessSignals();
  try {
    return await runOrHelp(argv);
  } catch (error) {
    return reportError(error);
  }
}

/** The specifications of all commands are loaded only if help or a usage line has to be printed. */
async function runOrHelp(argv: readonly string[]): Promise<number> {
  try {
    return await dispatch(argv);
  } catch (error) {
    if (error instanceof HelpRequest) {
      const { helpText } = await import('./help.js');
      print(error.stream, await helpText(error.command));
      return 0;
    }
    if (error instanceof UsageError) {
      const { usageText } = await import('./help.js');
      print(2, `caisson: ${error.message}\n${await usageText(error.command)}`);
      return error.status;
    }
    throw error;
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
  if (command === undefined || command === 'help' || switches.get('help') === true)
    throw new HelpRequest(command === 'help' ? args.join(' ') : (command ?? ''));
  const dataRoot = values.get('data-root')?.at(-1);
  const runRoot = values.get('run-root')?.at(-1);
  const cgroupDriver = cgroupManager(values.get('cgroup-manager')?.at(-1));
  const location = {
    ...(dataRoot === undefined ? {} : { dataRoot: absolutePath('--data-root', dataRoot) }),
    ...(runRoot === undefined ? {} : { runRoot: absolutePath('--run-root', runRoot) }),
    ...(cgroupDriver === undefined ? {} : { cgroupDriver }),
  };
  if (!WITH_MEMBERS.has(command)) return runCommand(command, args, location);
  const [member, ...memberArgs] = args;
  if (member === undefined || member === '--help')
    throw new HelpRequest(command, member === undefined ? 2 : 1);
  return runCommand(`${command} ${member}`, memberArgs, location);
}

/** Groups of commands; `explain` takes its subcommand itself. */
const WITH_MEMBERS: ReadonlySet<string> = new Set([
  'builder',
  'container',
  'image',
  'network',
  'system',
  'volume',
]);

function cgroupManager(name: string | undefined): CgroupDriver | undefined {
  if (name === undefined || name === 'systemd' || name === 'cgroupfs') return name;
  throw new UsageError(
    'ERR_INVALID_OPTION',
    `invalid argument "${name}" for "--cgroup-manager" flag: neither "systemd" nor "cgroupfs"`,
    '',
  );
}

async function runCommand(
  name: string,
  args: readonly string[],
  location: EngineLocation,
): Promise<number> {
  const command = findCommand(name);
  if (command !== undefined) return (await command.load())(args, location);
  print(
    2,
    `caisson: unknown command: caisson ${name}\n\nRun 'caisson --help' for more information\n`,
  );
  return 1;
}
