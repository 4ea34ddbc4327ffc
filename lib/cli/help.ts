/** Help and usage. The only file that needs commander; it is loaded only when one of them is printed. */
import { Command, Option } from 'commander';
import { type CommandSpec, type Flag, GLOBAL_FLAGS } from './args/command-spec.js';
import { type DescribedCommand, GROUPS, namesOf } from './command.js';
import { describeCommands } from './registry.js';

const EXAMPLES = `
Examples:
  caisson run --rm -it host sh                           a shell on this machine's own /usr
  caisson run --rm -m 64m --cpus 0.5 host make -j4       limits
  caisson run --rm --rootfs ./debian cat /etc/os-release any root file system
  caisson run --rm -v "$PWD":/src -w /src host npm test  a directory of the host
  caisson explain run -m 64m host true                   the steps, without running them

Run 'caisson COMMAND --help' for more information on a command.`;

function addFlags(command: Command, flags: readonly Flag[]): Command {
  const sorted = [...flags].sort((a, b) => (a.long < b.long ? -1 : 1));
  for (const { long, short, value, help } of sorted) {
    const name = short === undefined ? `--${long}` : `-${short}, --${long}`;
    command.addOption(new Option(value === undefined ? name : `${name} <${value}>`, help));
  }
  return command.helpOption(false);
}

/** @param shown the command whose flags will be shown */
function commandTree(described: readonly DescribedCommand[], shown: string): Command {
  const program = addFlags(new Command('caisson'), GLOBAL_FLAGS)
    .usage('[OPTIONS] COMMAND')
    .description('Linux containers from Node.js, in milliseconds')
    .helpCommand(false)
    .configureHelp({ subcommandTerm: (command) => command.name() })
    .addHelpText('after', EXAMPLES);
  for (const entry of described) {
    // All flags of all commands are hundreds, of which most are not printed.
    const isShown = namesOf({ ...entry, name: entry.spec.name }).includes(shown);
    const path = entry.spec.name.split(' ');
    const name = path.pop() ?? '';
    addEntry(path.reduce(group, program), name, entry, isShown);
    if (entry.inContainerGroup === true)
      addEntry(group(program, 'container'), name, entry, isShown);
    const [other, ...more] = (entry.otherNames ?? []).map((text) => text.split(' '));
    const [groupName, member] = other ?? [];
    if (groupName === undefined || member === undefined) continue;
    const aliases = more.flatMap((words) => words[1] ?? []);
    addEntry(group(program, groupName), member, { ...entry, aliases }, isShown);
  }
  return program;
}

/** The subcommand of that name, which is added if it is missing. */
function group(parent: Command, name: string): Command {
  const { usage, description } = GROUPS[name] ?? { usage: 'COMMAND', description: '' };
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

function addEntry(
  parent: Command,
  name: string,
  { spec, aliases }: DescribedCommand,
  isShown: boolean,
): void {
  const { flags, usage, description, examples } = spec;
  const command = addFlags(parent.command(name), isShown ? flags : [])
    .usage(usage)
    .description(description);
  if (parent.name() !== 'caisson') command.aliases([...(aliases ?? [])]);
  if (examples.length > 0) command.addHelpText('after', exampleText(examples));
}

function exampleText(examples: CommandSpec['examples']): string {
  const width = Math.max(...examples.map(([command]) => command.length));
  const lines = examples.map(([command, what]) => `  ${command.padEnd(width)}   ${what}`);
  return `\nExamples:\n${lines.join('\n')}`;
}

async function find(path: string): Promise<Command> {
  let command = commandTree(await describeCommands(), path);
  for (const name of path.split(' ')) command = childOf(command, name) ?? command;
  return command;
}

/** The whole help of a command, such as `explain run`; of caisson itself for the empty string. */
export async function helpText(path: string): Promise<string> {
  let text = '';
  const command = await find(path);
  command.configureOutput({ writeOut: (part) => (text += part) });
  command.outputHelp();
  return text;
}

/** The text after an error of the command line, as Docker prints it. */
export async function usageText(path: string): Promise<string> {
  const name = path === '' ? 'caisson' : `caisson ${path}`;
  const usage = (await find(path)).usage();
  return `\nUsage:  ${name} ${usage}\n\nRun '${name} --help' for more information\n`;
}
