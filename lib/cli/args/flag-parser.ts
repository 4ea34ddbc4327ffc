/**
 * Flags in the syntax of Docker's command line (Go's pflag): `--name value`, `--name=value`, `-abc`, `-m64m`, `-m=64m`,
 * `--switch=false`. Flags end at `--`; for some commands at the first argument that is not a flag, because the rest
 * belongs to the container.
 */
import type { Flag, UnsupportedFlag } from './command-spec.js';
import { UsageError } from './usage-error.js';

export interface ParsedFlags {
  /** By long name: all values in order; for switches the last state. */
  readonly values: ReadonlyMap<string, readonly string[]>;
  readonly switches: ReadonlyMap<string, boolean>;
  readonly rest: readonly string[];
}

/** Go's strconv.ParseBool. */
const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ...['1', 't', 'T', 'TRUE', 'true', 'True'].map((text) => [text, true] as const),
  ...['0', 'f', 'F', 'FALSE', 'false', 'False'].map((text) => [text, false] as const),
]);

export class FlagParser {
  readonly #command: string;
  readonly #endsAtArgument: boolean;
  readonly #long = new Map<string, Flag | UnsupportedFlag>();
  readonly #short = new Map<string, Flag | UnsupportedFlag>();

  constructor(
    command: string,
    flags: readonly Flag[],
    unsupported: readonly UnsupportedFlag[] = [],
    endsAtArgument = true,
  ) {
    this.#command = command;
    this.#endsAtArgument = endsAtArgument;
    for (const flag of [...flags, ...unsupported]) {
      this.#long.set(flag.long, flag);
      if (flag.short !== undefined) this.#short.set(flag.short, flag);
      if ('aliases' in flag) for (const alias of flag.aliases ?? []) this.#long.set(alias, flag);
    }
  }

  parse(args: readonly string[]): ParsedFlags {
    const values = new Map<string, string[]>();
    const switches = new Map<string, boolean>();
    const rest: string[] = [];
    let next = 0;

    /** `given` is the value attached to the flag, if one was. */
    const take = (
      flag: Flag | UnsupportedFlag,
      spelled: string,
      given: string | undefined,
    ): void => {
      if (!takesValue(flag)) {
        const state = given === undefined ? true : BOOLEANS.get(given);
        if (state === undefined)
          throw this.#error(`invalid argument "${given}" for "${spell(flag)}" flag: not a boolean`);
        if (isUnsupported(flag)) {
          if (state) throw this.#unsupported(flag);
        } else switches.set(flag.long, state);
        return;
      }
      const value = given ?? args[next++];
      if (isUnsupported(flag)) throw this.#unsupported(flag);
      if (value === undefined) throw this.#error(`flag needs an argument: ${spelled}`);
      const why = flag.check?.(value);
      if (why !== undefined)
        throw this.#error(`invalid argument "${value}" for "${spell(flag)}" flag: ${why}`);
      const list = values.get(flag.long);
      if (list === undefined) values.set(flag.long, [value]);
      else list.push(value);
    };

    while (next < args.length) {
      const arg = args[next] ?? '';
      if (arg === '--') {
        next++;
        break;
      }
      if (!arg.startsWith('-') || arg === '-') {
        if (this.#endsAtArgument) break;
        rest.push(arg);
        next++;
        continue;
      }
      next++;
      if (arg.startsWith('--')) {
        const equals = arg.indexOf('=');
        const name = equals < 0 ? arg.slice(2) : arg.slice(2, equals);
        const flag = this.#long.get(name);
        if (flag === undefined) throw this.#error(`unknown flag: --${name}`);
        take(flag, `--${name}`, equals < 0 ? undefined : arg.slice(equals + 1));
        continue;
      }
      for (let at = 1; at < arg.length; at++) {
        const letter = arg.charAt(at);
        const flag = this.#short.get(letter);
        if (flag === undefined) throw this.#error(`unknown shorthand flag: '${letter}' in ${arg}`);
        const attached = arg.slice(at + 1);
        if (attached.startsWith('=')) take(flag, arg, attached.slice(1));
        else if (takesValue(flag))
          take(flag, `'${letter}' in ${arg}`, attached === '' ? undefined : attached);
        else {
          take(flag, arg, undefined);
          continue;
        }
        break;
      }
    }
    return { values, switches, rest: [...rest, ...args.slice(next)] };
  }

  #error(message: string): UsageError {
    return new UsageError('ERR_INVALID_OPTION', message, this.#command);
  }

  #unsupported(flag: UnsupportedFlag): UsageError {
    return new UsageError(
      'ERR_UNSUPPORTED_OPTION',
      `the flag ${spell(flag)} is not supported yet`,
      this.#command,
    );
  }
}

function isUnsupported(flag: Flag | UnsupportedFlag): flag is UnsupportedFlag {
  return !('help' in flag);
}

function takesValue(flag: Flag | UnsupportedFlag): boolean {
  return isUnsupported(flag) ? flag.value : flag.value !== undefined;
}

/** `-m, --memory`. */
export function spell(flag: Flag | UnsupportedFlag): string {
  return flag.short === undefined ? `--${flag.long}` : `-${flag.short}, --${flag.long}`;
}
