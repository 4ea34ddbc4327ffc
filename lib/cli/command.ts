/** What a command of the command line is, and the groups of commands. */
import type { EngineLocation } from './command-context.js';
import type { CommandSpec } from './args/command-spec.js';

/** Takes the words after the command's name, and answers the exit code. */
export type CommandFunction = (
  args: readonly string[],
  location: EngineLocation,
) => Promise<number>;

export interface Command {
  /** As it is typed after `caisson`. */
  readonly name: string;
  /** Also `caisson container NAME`. */
  readonly inContainerGroup?: true;
  /** Other names, in full: `image pull`. */
  readonly otherNames?: readonly string[];
  /** Other names in that group, or in the group that the name begins with. */
  readonly aliases?: readonly string[];
  readonly load: () => Promise<CommandFunction>;
  readonly spec: () => Promise<CommandSpec>;
}

/** A command with its specification, for help and completion. */
export interface DescribedCommand extends Pick<
  Command,
  'inContainerGroup' | 'aliases' | 'otherNames'
> {
  readonly spec: CommandSpec;
}

/** All that can be typed for it after `caisson`, first its name. */
export function namesOf({
  name,
  inContainerGroup,
  aliases = [],
  otherNames = [],
}: Pick<Command, 'name' | 'inContainerGroup' | 'aliases' | 'otherNames'>): readonly string[] {
  const group = inContainerGroup === true ? 'container ' : name.slice(0, name.lastIndexOf(' ') + 1);
  const inGroup = inContainerGroup === true ? [name, ...aliases] : aliases;
  return [name, ...inGroup.map((member) => `${group}${member}`), ...otherNames];
}

/** Commands that only have subcommands. */
export const GROUPS: Readonly<Record<string, { usage: string; description: string } | undefined>> =
  {
    container: { usage: 'COMMAND', description: 'Manage containers' },
    network: { usage: 'COMMAND', description: 'Manage networks' },
    image: { usage: 'COMMAND', description: 'Manage images' },
    volume: { usage: 'COMMAND', description: 'Manage volumes' },
    builder: { usage: 'COMMAND', description: 'Manage builds' },
    system: { usage: 'COMMAND', description: 'Manage caisson' },
    explain: {
      usage: 'run [OPTIONS] IMAGE [COMMAND] [ARG...]',
      description: 'Print the steps of a command without running it',
    },
  };
