/** The command line: flags of caisson itself, then a command. */
import { GLOBAL_FLAGS } from './flag-table.js';
import { FlagParser } from './parse-flags.js';
import { print, reportError } from './report.js';

/** Docker's commands that caisson will have; until then each says so. */
const NOT_YET: ReadonlySet<string> = new Set(
  (
    'attach commit container cp create diff events exec export history image images import info inspect kill load ' +
    'logs network pause port ps pull push rename restart rm rmi save start stats stop system tag top unpause update ' +
    'volume wait'
  ).split(' '),
);

/** Answers the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
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
    const { packageVersion } = await import('./commands/version.js');
    print(1, `caisson version ${packageVersion()}\n`);
    return 0;
  }
  if (command === undefined || command === 'help' || switches.get('help') === true) {
    const { helpText } = await import('./help.js');
    print(1, helpText(command === 'help' ? args.join(' ') : (command ?? '')));
    return 0;
  }
  const dataRoot = values.get('data-root')?.at(-1);
  const runRoot = values.get('run-root')?.at(-1);
  const location = {
    ...(dataRoot === undefined ? {} : { dataRoot }),
    ...(runRoot === undefined ? {} : { runRoot }),
  };
  // Each command is loaded only when it is meant: most of a short command's time is loading.
  switch (command) {
    case 'run':
      return (await import('./commands/run.js')).run(args, location);
    case 'explain':
      return (await import('./commands/explain.js')).explain(args, location);
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
