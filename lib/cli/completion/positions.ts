/** The positions of the command line at which a shell completes, in one form for all shells. */
import { type CommandSpec, type Flag, GLOBAL_FLAGS } from '../args/command-spec.js';
import { type DescribedCommand, GROUPS, namesOf } from '../command.js';

/** A position: after caisson itself, after a group of commands, or after a command. */
export interface Position {
  /** As it is typed after `caisson`; empty for caisson itself. */
  readonly path: string;
  readonly flags: readonly Flag[];
  /** Its subcommands, with their descriptions. */
  readonly children: readonly (readonly [name: string, description: string])[];
  /** Words, or `@` and a kind: `@all`, `@running`, `@paused`, `@stopped`, `@network`, `@volume`, `@image`, `@stored-image`. */
  readonly argument: string;
  /** The number of arguments to which that applies. */
  readonly count: number;
  /** Flags end at the first argument. */
  readonly ends: boolean;
}

export function positions(commands: readonly DescribedCommand[]): readonly Position[] {
  const known = new Map<string, Position>([['', group('', GLOBAL_FLAGS)]]);
  for (const { spec, ...command } of commands) {
    for (const path of namesOf({ ...command, name: spec.name })) add(known, path, spec);
  }
  return [...known.values()];
}

function group(path: string, flags: readonly Flag[]): Position {
  return { path, flags, children: [], argument: '', count: 0, ends: false };
}

function add(known: Map<string, Position>, path: string, spec: CommandSpec): void {
  const { argument = '' } = spec;
  const ends = spec.endsAtArgument === true;
  known.set(path, {
    path,
    flags: spec.flags,
    children: known.get(path)?.children ?? [],
    argument: typeof argument === 'string' && argument !== '' ? `@${argument}` : words(argument),
    // `rename`: the second name is new. After an argument that ends flags, the rest is another program's.
    count: ends || spec.args[1] === 2 ? 1 : spec.args[1],
    ends,
  });
  link(known, path, spec.description);
}

function words(argument: string | readonly string[]): string {
  return typeof argument === 'string' ? argument : argument.join(' ');
}

/** Adds the position to its parents, which are created if they are missing. */
function link(known: Map<string, Position>, path: string, description: string): void {
  const space = path.lastIndexOf(' ');
  const parentPath = space < 0 ? '' : path.slice(0, space);
  const name = path.slice(space + 1);
  const parent = known.get(parentPath) ?? group(parentPath, []);
  if (!known.has(parentPath)) link(known, parentPath, GROUPS[parentPath]?.description ?? '');
  if (parent.children.some(([child]) => child === name)) known.set(parentPath, parent);
  else known.set(parentPath, { ...parent, children: [...parent.children, [name, description]] });
}

/** All spellings: `--memory`, `-m`. */
export function spellings(flag: Flag): readonly string[] {
  return flag.short === undefined ? [`--${flag.long}`] : [`--${flag.long}`, `-${flag.short}`];
}

/** As `Position.argument`, for a flag's value; also `@file` and `@directory`. Empty: unknown. */
export function valueKind({ completes }: Flag): string {
  if (completes === undefined) return '';
  if (typeof completes !== 'string') return completes.join(' ');
  return completes === 'container' ? '@all' : `@${completes}`;
}

/** In single quotes, for all three shells. */
export function quoted(text: string): string {
  return `'${text.replace(/'/g, `'\\''`)}'`;
}

/** Of `caisson images`: one name a line, also empty lines, for images that have none. */
export const IMAGE_NAMES = `images --format '{{if ne .Tag "<none>"}}{{.Repository}}:{{.Tag}}{{end}}'`;
