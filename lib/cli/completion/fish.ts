/** For fish: one `complete` for each flag, with the condition that its command is being typed. */
import type { Flag } from '../args/command-spec.js';
import { IMAGE_NAMES, type Position, spellings, valueKind } from './positions.js';

export function fishScript(positions: readonly Position[]): string {
  return `# Completion of caisson for fish: caisson completion fish | source

# Flags of a command that take a value.
function __caisson_valued
    switch "$argv[1]"
${positions.map(valuedCase).join('')}    end
end

# The commands below a command.
function __caisson_children
    switch "$argv[1]"
${positions.map(childrenCase).join('')}    end
end

# Commands whose flags end at the first argument.
function __caisson_ends
    contains -- "$argv[1]" ${positions
      .filter(({ ends }) => ends)
      .map(({ path }) => fishQuoted(path))
      .join(' ')}
end

${FUNCTIONS}
complete -c caisson -e
complete -c caisson -f
${positions.map(positionLines).join('')}`;
}

/** Unlike in the other shells, a backslash also escapes within single quotes. */
function fishQuoted(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`;
}

function valuedCase({ path, flags }: Position): string {
  const words = flags.filter(({ value }) => value !== undefined).flatMap(spellings);
  return words.length === 0
    ? ''
    : `        case ${fishQuoted(path)}\n            string split ' ' -- ${fishQuoted(words.join(' '))}\n`;
}

function childrenCase({ path, children }: Position): string {
  return children.length === 0
    ? ''
    : `        case ${fishQuoted(path)}\n            string split ' ' -- ${fishQuoted(children.map(([name]) => name).join(' '))}\n`;
}

function positionLines({ path, flags, children, argument, count, ends }: Position): string {
  const at = (test: string): string =>
    `complete -c caisson -n ${fishQuoted(`${test} ${fishQuoted(path)}`)}`;
  const lines = flags.map((flag) => `${at('__caisson_flags_of')} ${flagWords(flag)}`);
  for (const [name, what] of children)
    lines.push(`${at('__caisson_command_of')} -a ${name} -d ${fishQuoted(what)}`);
  const most = Number.isFinite(count) ? count : 9999;
  if (argument !== '')
    lines.push(
      `complete -c caisson -n ${fishQuoted(`__caisson_argument_of ${fishQuoted(path)} ${most}`)} -a ${fishQuoted(source(argument))}`,
    );
  if (ends)
    lines.push(
      `complete -c caisson -n ${fishQuoted(`__caisson_rest_of ${fishQuoted(path)} ${most}`)} -F`,
    );
  return `${lines.join('\n')}\n`;
}

function flagWords(flag: Flag): string {
  const { long, short, value, help } = flag;
  const names = `-l ${long}${short === undefined ? '' : ` -s ${short}`} -d ${fishQuoted(help)}`;
  if (value === undefined) return names;
  const kind = valueKind(flag);
  if (kind === '@file') return `${names} -r -F`;
  return `${names} -x${kind === '' ? '' : ` -a ${fishQuoted(source(kind))}`}`;
}

/** The candidates, or a command that prints them. */
function source(kind: string): string {
  switch (kind) {
    case '@all':
      return '(__caisson_containers -a)';
    case '@running':
      return '(__caisson_containers)';
    case '@paused':
      return '(__caisson_containers --filter status=paused)';
    case '@stopped':
      return '(__caisson_containers -a --filter status=created --filter status=exited)';
    case '@directory':
      return '(__fish_complete_directories)';
    case '@network':
      return "(command caisson network ls --format '{{.Name}}' 2>/dev/null)";
    case '@volume':
      return "(command caisson volume ls --format '{{.Name}}' 2>/dev/null)";
    case '@image':
      return 'host (__caisson_images)';
    case '@stored-image':
      return '(__caisson_images)';
    default:
      return kind;
  }
}

const FUNCTIONS = `# What has been typed: the command, how many arguments, and whether flags are over.
function __caisson_state
    set -l command ''
    set -l given 0
    set -l over 0
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
        else if test $over = 0; and test "$word" = --
            set over 1
        else if test $over = 0; and string match -q -- '-?*' $word
            set -l last $word
            string match -qr -- '^-[^-]' $word; and set last -(string sub -s -1 -- $word)
            contains -- $last (__caisson_valued "$command"); and set skip 1
        else if test $given = 0; and contains -- $word (__caisson_children "$command")
            set command (string trim -- "$command $word")
        else
            set given (math $given + 1)
            __caisson_ends "$command"; and set over 1
        end
    end
    printf '%s\\n' "$command" $given $over
end

function __caisson_containers
    command caisson ps $argv --format '{{.Names}}' 2>/dev/null
end

function __caisson_images
    command caisson ${IMAGE_NAMES} 2>/dev/null | string match -v ''
end

function __caisson_flags_of
    set -l state (__caisson_state)
    test "$state[1]" = "$argv[1]"; and test $state[3] = 0
end

function __caisson_command_of
    set -l state (__caisson_state)
    test "$state[1]" = "$argv[1]"; and test $state[2] = 0
end

function __caisson_argument_of
    set -l state (__caisson_state)
    test "$state[1]" = "$argv[1]"; and test $state[2] -lt $argv[2]
end

function __caisson_rest_of
    set -l state (__caisson_state)
    test "$state[1]" = "$argv[1]"; and test $state[2] -ge $argv[2]
end
`;
