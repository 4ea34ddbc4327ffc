/** From a logical line to an instruction. docs.docker.com/reference/dockerfile */
import { dockerfileError, unsupportedInDockerfile } from './dockerfile-error.js';
import type { Command, Instruction } from './dockerfile-instructions.js';
import type { LogicalLine } from './logical-lines.js';
import { assignments, type Flag, jsonForm, splitWords, takeFlags } from './words.js';

/** Of one instruction, while it is read. */
interface Reading extends LogicalLine {
  readonly name: string;
  readonly flags: readonly Flag[];
  readonly rest: string;
  readonly escape: string;
}

type Reader = (reading: Reading) => Instruction;

/** @throws ERR_INVALID_DOCKERFILE, ERR_UNSUPPORTED_OPTION */
export function parseInstruction(logical: LogicalLine, escape: string): Instruction {
  const found = /^(\S+)\s*([\s\S]*)$/.exec(logical.text)!;
  const name = found[1]!.toUpperCase();
  const reader = READERS[name];
  if (reader === undefined) {
    throw dockerfileError(logical.line, `unknown instruction: ${found[1]!.slice(0, 60)}`);
  }
  const { flags, rest } = takeFlags(found[2]!, escape);
  if (rest === '') throw dockerfileError(logical.line, `${name} requires at least one argument`);
  return reader({ ...logical, name, flags, rest, escape });
}

function readFrom(reading: Reading): Instruction {
  const { line, text } = reading;
  const { platform } = flagsOf(reading, ['platform']);
  const words = splitWords(reading.rest, reading.escape);
  if (words.length !== 1 && !(words.length === 3 && words[1]!.toUpperCase() === 'AS')) {
    throw dockerfileError(line, 'FROM requires either one or three arguments');
  }
  const name = words[2]?.toLowerCase();
  if (name !== undefined && !/^[a-z][a-z0-9._-]*$/.test(name)) {
    throw dockerfileError(line, `invalid name for build stage: "${words[2]!}"`);
  }
  return { kind: 'FROM', line, text, image: words[0]!, platform, name };
}

function readRun(reading: Reading): Instruction {
  const { line, text, hereDocuments } = reading;
  const flags = flagsOf(reading, ['network', 'security'], ['mount']);
  const network = flags['network'] ?? 'default';
  if (network !== 'default' && network !== 'none' && network !== 'host') {
    throw dockerfileError(line, `invalid value "${network}" for --network`);
  }
  if (flags['security'] !== undefined && flags['security'] !== 'sandbox') {
    throw unsupportedInDockerfile(line, `RUN --security=${flags['security']}`);
  }
  return {
    kind: 'RUN',
    line,
    text,
    hereDocuments,
    command: commandOf(reading.rest),
    mounts: valuesOf(reading, 'mount'),
    network,
  };
}

function readCopy(reading: Reading): Instruction {
  const { line, text, name, hereDocuments } = reading;
  const own = name === 'COPY' ? ['from', 'parents'] : ['checksum', 'keep-git-dir'];
  const flags = flagsOf(reading, [...own, 'chown', 'chmod', 'link'], ['exclude']);
  if (truth(reading, flags, 'keep-git-dir')) {
    throw unsupportedInDockerfile(line, 'ADD --keep-git-dir');
  }
  truth(reading, flags, 'link'); // makes no difference to the result
  const words = jsonForm(reading.rest) ?? splitWords(reading.rest, reading.escape);
  if (words.length < 2) {
    throw dockerfileError(
      line,
      `${name} requires at least two arguments`,
      'one or more sources, and the destination',
    );
  }
  return {
    kind: name as 'COPY' | 'ADD',
    line,
    text,
    sources: words.slice(0, -1),
    target: words.at(-1)!,
    hereDocuments,
    from: flags['from'],
    chown: flags['chown'],
    chmod: flags['chmod'],
    checksum: flags['checksum'],
    exclude: valuesOf(reading, 'exclude'),
    parents: truth(reading, flags, 'parents'),
  };
}

function readAssignments(reading: Reading): Instruction {
  const { line, text, name, rest, escape } = reading;
  flagsOf(reading, []);
  const values = assignments(name, rest, escape, line);
  return { kind: name as 'ENV' | 'LABEL', line, text, values };
}

function readArg(reading: Reading): Instruction {
  const { line, text } = reading;
  flagsOf(reading, []);
  const values = splitWords(reading.rest, reading.escape).map((word) => {
    const equals = word.indexOf('=');
    const name = equals < 0 ? word : word.slice(0, equals);
    if (name === '') throw dockerfileError(line, 'ARG names can not be blank');
    return [name, equals < 0 ? undefined : word.slice(equals + 1)] as const;
  });
  return { kind: 'ARG', line, text, values };
}

function readCommand(reading: Reading): Instruction {
  const { line, text, name } = reading;
  flagsOf(reading, []);
  return { kind: name as 'CMD' | 'ENTRYPOINT', line, text, command: commandOf(reading.rest) };
}

function readShell(reading: Reading): Instruction {
  const { line, text } = reading;
  flagsOf(reading, []);
  const argv = jsonForm(reading.rest);
  if (argv === undefined || argv.length === 0) {
    throw dockerfileError(line, 'SHELL requires the arguments to be in JSON form');
  }
  return { kind: 'SHELL', line, text, argv };
}

function readWords(reading: Reading): Instruction {
  const { line, text, name, rest, escape } = reading;
  flagsOf(reading, []);
  const json = name === 'VOLUME' ? jsonForm(rest) : undefined;
  const words = json ?? splitWords(rest, escape);
  if (words.some((word) => word.trim() === '')) {
    throw dockerfileError(line, `${name} specified can not be an empty string`);
  }
  return { kind: name as 'EXPOSE' | 'VOLUME', line, text, words };
}

function readWord(reading: Reading): Instruction {
  const { line, text, name, rest, escape } = reading;
  flagsOf(reading, []);
  const whole = name === 'WORKDIR' || name === 'MAINTAINER';
  if (!whole && splitWords(rest, escape).length !== 1) {
    throw dockerfileError(line, `${name} requires exactly one argument`);
  }
  return {
    kind: name as 'WORKDIR' | 'USER' | 'STOPSIGNAL' | 'MAINTAINER',
    line,
    text,
    word: rest,
  };
}

function readOnBuild(reading: Reading): Instruction {
  const { line, text, rest, escape } = reading;
  const instruction = parseInstruction({ line, text: rest, hereDocuments: [] }, escape);
  if (instruction.kind === 'FROM' || instruction.kind === 'ONBUILD') {
    throw dockerfileError(line, `${instruction.kind} isn't allowed as an ONBUILD trigger`);
  }
  if (rest.includes('<<')) throw unsupportedInDockerfile(line, 'a here-document in ONBUILD');
  return { kind: 'ONBUILD', line, text, instruction: rest };
}

const HEALTH_FLAGS = ['interval', 'timeout', 'start-period', 'start-interval', 'retries'];

function readHealthcheck(reading: Reading): Instruction {
  const { line, text, flags, rest } = reading;
  flagsOf(reading, HEALTH_FLAGS);
  const found = /^(\S+)\s*([\s\S]*)$/.exec(rest)!;
  const type = found[1]!.toUpperCase();
  if (type === 'NONE') {
    if (found[2] !== '') throw dockerfileError(line, 'HEALTHCHECK NONE takes no arguments');
    return { kind: 'HEALTHCHECK', line, text, command: undefined, flags };
  }
  if (type !== 'CMD') {
    throw dockerfileError(line, `Unknown type "${type}" in HEALTHCHECK (try CMD)`);
  }
  if (found[2] === '') throw dockerfileError(line, 'Missing command after HEALTHCHECK CMD');
  return { kind: 'HEALTHCHECK', line, text, command: commandOf(found[2]!), flags };
}

const READERS: Readonly<Record<string, Reader>> = {
  FROM: readFrom,
  RUN: readRun,
  COPY: readCopy,
  ADD: readCopy,
  ENV: readAssignments,
  LABEL: readAssignments,
  ARG: readArg,
  CMD: readCommand,
  ENTRYPOINT: readCommand,
  SHELL: readShell,
  EXPOSE: readWords,
  VOLUME: readWords,
  WORKDIR: readWord,
  USER: readWord,
  STOPSIGNAL: readWord,
  MAINTAINER: readWord,
  ONBUILD: readOnBuild,
  HEALTHCHECK: readHealthcheck,
};

function commandOf(text: string): Command {
  const argv = jsonForm(text);
  return argv === undefined ? { form: 'shell', text } : { form: 'exec', argv };
}

/** @param several those that may be given more than once, and are read by `valuesOf`. */
function flagsOf(
  { name, flags, line }: Reading,
  known: readonly string[],
  several: readonly string[] = [],
): Readonly<Record<string, string | undefined>> {
  const values: Record<string, string | undefined> = {};
  for (const flag of flags) {
    if (several.includes(flag.name)) continue;
    if (!known.includes(flag.name)) {
      throw dockerfileError(line, `unknown flag: --${flag.name} of ${name}`);
    }
    if (flag.name in values) {
      throw dockerfileError(line, `--${flag.name} of ${name} is given twice`);
    }
    if (flag.value === undefined && !SWITCHES.has(flag.name)) {
      throw dockerfileError(line, `missing a value on flag: --${flag.name}`);
    }
    values[flag.name] = flag.value ?? 'true';
  }
  return values;
}

/** Flags that may stand without a value. */
const SWITCHES: ReadonlySet<string> = new Set(['link', 'parents', 'keep-git-dir']);

function valuesOf({ flags, line }: Reading, name: string): readonly string[] {
  return flags
    .filter((flag) => flag.name === name)
    .map(({ value }) => {
      if (value === undefined) throw dockerfileError(line, `missing a value on flag: --${name}`);
      return value;
    });
}

function truth(
  { line }: Reading,
  flags: Readonly<Record<string, string | undefined>>,
  name: string,
): boolean {
  const value = flags[name] ?? 'false';
  if (value !== 'true' && value !== 'false') {
    throw dockerfileError(line, `expecting boolean value for flag ${name}, not: ${value}`);
  }
  return value === 'true';
}
