/** Help and usage. The only file that needs commander, and it is loaded only when somebody has to read. */
import { Command, Option } from 'commander';
import { type CommandEntry, COMMANDS, registeredCommands } from './command-table.js';
import { type Flag, GLOBAL_FLAGS } from './flag-table.js';

const EXAMPLES = `
Examples:
  caisson run --rm -it host sh                           a shell on this machine's own /usr
  caisson run --rm -m 64m --cpus 0.5 host make -j4       limits
  caisson run --rm --rootfs ./debian cat /etc/os-release any directory with a system in it
  caisson run --rm -v "$PWD":/src -w /src host npm test  a directory of the host
  caisson explain run -m 64m host true                   what would be done, step by step

Run 'caisson COMMAND --help' for more information on a command.`;

/** Commands that only have commands. */
const GROUPS: Readonly<Record<string, readonly [usage: string, description: string] | undefined>> =
  {
    container: ['COMMAND', 'Manage containers'],
    explain: [
      'run [OPTIONS] IMAGE [COMMAND] [ARG...]',
      "Print what a command would do, in the kernel's words",
    ],
  };

function addFlags(command: Command, flags: readonly Flag[]): Command {
  const sorted = [...flags].sort((a, b) => (a.long < b.long ? -1 : 1));
  for (const { long, short, value, help } of sorted) {
    const name = short === undefined ? `--${long}` : `-${short}, --${long}`;
    command.addOption(new Option(value === undefined ? name : `${name} <${value}>`, help));
  }
  return command.helpOption(false);
}

function commandTree(entries: readonly CommandEntry[]): Command {
  const program = addFlags(new Command('caisson'), GLOBAL_FLAGS)
    .usage('[OPTIONS] COMMAND')
    .description('Linux containers from Node.js, in milliseconds')
    .helpCommand(false)
    .configureHelp({ subcommandTerm: (command) => command.name() })
    .addHelpText('after', EXAMPLES);
  for (const entry of entries) {
    const path = entry.spec.name.split(' ');
    const name = path.pop() ?? '';
    addEntry(path.reduce(group, program), name, entry);
    if (entry.ofContainers) addEntry(group(program, 'container'), name, entry);
  }
  return program;
}

/** The child of that name, made if it is not there. */
function group(parent: Command, name: string): Command {
  const [usage = 'COMMAND', description = ''] = GROUPS[name] ?? [];
  return (
    childOf(parent, name) ??
    parent
      .command(name)
      .helpOption(false)
      .helpCommand(false)
      .usage(usage)
      .description(description)
      .configureHelp({ subcommandTerm: (command) => command.name() })
  );
}

function childOf(parent: Command, name: string): Command | undefined {
  return parent.commands.find((child) => child.name() === name || child.aliases().includes(name));
}

function addEntry(parent: Command, name: string, entry: CommandEntry): void {
  const { spec, usage, description, examples, aliases } = entry;
  const command = addFlags(parent.command(name), spec.flags).usage(usage).description(description);
  if (parent.name() === 'container') command.aliases([...(aliases ?? [])]);
  if (examples.length > 0) command.addHelpText('after', exampleText(examples));
}

function exampleText(examples: CommandEntry['examples']): string {
  const width = Math.max(...examples.map(([command]) => command.length));
  const lines = examples.map(([command, what]) => `  ${command.padEnd(width)}   ${what}`);
  return `\nExamples:\n${lines.join('\n')}`;
}

function find(path: string, entries: readonly CommandEntry[]): Command {
  let command = commandTree(entries);
  for (const name of path.split(' ')) command = childOf(command, name) ?? command;
  return command;
}

/** The whole help of a command, such as `explain run`; of caisson itself for the empty string. */
export function helpText(
  path: string,
  entries: readonly CommandEntry[] = registeredCommands(),
): string {
  let text = '';
  const command = find(path, entries);
  command.configureOutput({ writeOut: (part) => (text += part) });
  command.outputHelp();
  return text;
}

/** What follows an error about the command line, in Docker's words. */
export function usageText(path: string): string {
  const name = path === '' ? 'caisson' : `caisson ${path}`;
  return `\nUsage:  ${name} ${find(path, COMMANDS).usage()}\n\nRun '${name} --help' for more information\n`;
}
