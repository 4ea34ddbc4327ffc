/** The arguments of a command, parsed by its specification; `run` and `create` have a parser of their own. */
import type { CommandSpec } from './command-spec.js';
import { HelpRequest } from './help-request.js';
import { FlagParser, type ParsedFlags, spell } from './flag-parser.js';
import { UsageError } from './usage-error.js';

export class CommandLine {
  readonly args: readonly string[];
  readonly #spec: CommandSpec;
  readonly #flags: ParsedFlags;

  constructor(spec: CommandSpec, flags: ParsedFlags) {
    this.#spec = spec;
    this.#flags = flags;
    this.args = flags.rest;
  }

  /** Whether a switch is on; `fallback` when it was not given. */
  has(name: string, fallback = false): boolean {
    return this.#flags.switches.get(name) ?? fallback;
  }

  /** If the flag was given several times, the last value counts. */
  value(name: string): string | undefined {
    return this.#flags.values.get(name)?.at(-1);
  }

  values(name: string): readonly string[] {
    return this.#flags.values.get(name) ?? [];
  }

  /** The value of a flag that takes a whole number. */
  integer(name: string): number | undefined {
    const text = this.value(name);
    return text === undefined ? undefined : Number(text);
  }

  /** `--tail`: the number of lines, or undefined for all of them, which a negative number also means in Docker. */
  lines(name: string): number | undefined {
    const text = this.value(name);
    if (text === undefined || text === 'all') return undefined;
    if (!/^-?\d{1,15}$/.test(text))
      throw this.#invalid(name, text, 'neither a number of lines nor "all"');
    return text.startsWith('-') ? undefined : Number(text);
  }

  #invalid(name: string, text: string, why: string): UsageError {
    const flag = this.#spec.flags.find(({ long }) => long === name);
    return new UsageError(
      'ERR_INVALID_OPTION',
      `invalid argument "${text}" for "${flag === undefined ? `--${name}` : spell(flag)}" flag: ${why}`,
      this.#spec.name,
    );
  }
}

/** Throws a HelpRequest if help was asked for, and a UsageError, with Docker's exit code, for a mistake. */
export function parseCommandLine(spec: CommandSpec, words: readonly string[]): CommandLine {
  const parser = new FlagParser(
    spec.name,
    spec.flags,
    spec.unsupported,
    spec.endsAtArgument === true,
  );
  const flags = parser.parse(words);
  if (flags.switches.get('help') === true) throw new HelpRequest(spec.name);
  checkArguments(spec, flags.rest.length);
  return new CommandLine(spec, flags);
}

/** With the texts of docker/cli (cli/required.go), which exits with 1. */
export function checkArguments({ name, args: [min, max] }: CommandSpec, count: number): void {
  if (count >= min && count <= max) return;
  const plural = (n: number): string => `${n} argument${n === 1 ? '' : 's'}`;
  const what =
    max === 0
      ? 'accepts no arguments'
      : min === max
        ? `requires exactly ${plural(min)}`
        : count < min
          ? `requires at least ${plural(min)}`
          : `requires at most ${plural(max)}`;
  throw new UsageError('ERR_INVALID_OPTION', `"caisson ${name}" ${what}`, name, 1);
}
