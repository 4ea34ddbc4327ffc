/** Help and usage. The only file that needs commander, and it is loaded only when somebody has to read. */
import { Command, Option } from 'commander';
import { type Flag, GLOBAL_FLAGS, RUN_FLAGS } from './flag-table.js';

const EXAMPLES = `
Examples:
  caisson run --rm -it host sh                           a shell on this machine's own /usr
  caisson run --rm -m 64m --cpus 0.5 host make -j4       limits
  caisson run --rm --rootfs ./debian cat /etc/os-release any directory with a system in it
  caisson run --rm -v "$PWD":/src -w /src host npm test  a directory of the host
  caisson explain run -m 64m host true                   what would be done, step by step

Run 'caisson COMMAND --help' for more information on a command.`;

function addFlags(command: Command, flags: readonly Flag[]): Command {
  for (const { long, short, value, help } of flags) {
    const name = short === undefined ? `--${long}` : `-${short}, --${long}`;
    command.addOption(new Option(value === undefined ? name : `${name} <${value}>`, help));
  }
  return command.helpOption(false);
}

function commandTree(): Command {
  const program = addFlags(new Command('caisson'), GLOBAL_FLAGS)
    .usage('[OPTIONS] COMMAND')
    .description('Linux containers from Node.js, in milliseconds')
    .helpCommand(false)
    .configureHelp({ subcommandTerm: (command) => command.name() })
    .addHelpText('after', EXAMPLES);
  const run = addFlags(program.command('run'), RUN_FLAGS)
    .usage('[OPTIONS] IMAGE [COMMAND] [ARG...]')
    .description('Create and run a new container from an image');
  const explain = addFlags(program.command('explain'), [])
    .usage('run [OPTIONS] IMAGE [COMMAND] [ARG...]')
    .description("Print what a command would do, in the kernel's words")
    .helpCommand(false);
  addFlags(explain.command('run'), RUN_FLAGS)
    .usage('[OPTIONS] IMAGE [COMMAND] [ARG...]')
    .description(`Print the launch program of "${run.name()}" instead of running it`);
  addFlags(program.command('version'), [{ long: 'format', value: 'json', help: 'Print as JSON' }])
    .usage('[OPTIONS]')
    .description('Show the versions of caisson and of what it runs on');
  return program;
}

function find(path: string): Command {
  let command = commandTree();
  for (const name of path.split(' '))
    command = command.commands.find((child) => child.name() === name) ?? command;
  return command;
}

/** The whole help of a command, such as `explain run`; of caisson itself for the empty string. */
export function helpText(path: string): string {
  let text = '';
  const command = find(path);
  command.configureOutput({ writeOut: (part) => (text += part) });
  command.outputHelp();
  return text;
}

/** What follows an error about the command line, in Docker's words. */
export function usageText(path: string): string {
  const name = path === '' ? 'caisson' : `caisson ${path}`;
  return `\nUsage:  ${name} ${find(path).usage()}\n\nRun '${name} --help' for more information\n`;
}
