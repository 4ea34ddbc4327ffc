/**
 * One stage of a build, instruction by instruction: what each changes in the image's configuration, and what is left to
 * be done in its files. Pure. docs.docker.com/reference/dockerfile
 */
import { posix } from 'node:path';
import { parseSignal } from '../base/signals.js';
import { parseDuration } from '../base/units.js';
import type { ImageConfig, ImageHealthcheck } from '../image/image-config.js';
import { dockerfileError } from './dockerfile-error.js';
import type {
  Arg,
  Command,
  Copy,
  Healthcheck,
  OnBuild,
  Run,
  StageInstruction,
} from './dockerfile-instructions.js';
import { expand } from './expand.js';
import type { HereDocument } from './logical-lines.js';
import { parseRunMount, type RunMount } from './run-mounts.js';

/** A program to run in the stage's files. */
export interface RunStep {
  readonly kind: 'run';
  readonly line: number;
  readonly text: string;
  readonly argv: readonly string[];
  /** `NAME=value`: of the image, and the build arguments. */
  readonly env: readonly string[];
  /** `user[:group]`; empty is root. */
  readonly user: string;
  readonly workdir: string;
  /** A program that is made before; the argument after it, if any, is none of `argv`. */
  readonly script: string | undefined;
  readonly mounts: readonly RunMount[];
  readonly network: Run['network'];
}

/** Files to copy into the stage. */
export interface CopyStep {
  readonly kind: 'copy';
  readonly line: number;
  readonly text: string;
  /** ADD: URLs are fetched, and archives unpacked. */
  readonly add: boolean;
  readonly sources: readonly string[];
  readonly files: readonly { readonly name: string; readonly content: string }[];
  /** Absolute; with a `/` at its end it is a directory. */
  readonly target: string;
  /** A stage or an image; undefined is the build context. */
  readonly from: string | undefined;
  readonly chown: string | undefined;
  readonly chmod: string | undefined;
  readonly checksum: string | undefined;
  readonly exclude: readonly string[];
  readonly parents: boolean;
}

/** A directory that is made if it is missing. */
export interface DirectoryStep {
  readonly kind: 'directory';
  readonly line: number;
  readonly text: string;
  readonly path: string;
}

export type BuildStep = RunStep | CopyStep | DirectoryStep;

/** Build arguments that need no ARG, and are not recorded: they may have passwords. */
const PREDEFINED: ReadonlySet<string> = new Set(
  ['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'NO_PROXY', 'ALL_PROXY'].flatMap((name) => [
    name,
    name.toLowerCase(),
  ]),
);

export function isPredefined(name: string): boolean {
  return PREDEFINED.has(name);
}

const SHELL = ['/bin/sh', '-c'];
/** Where a script of RUN is while it runs. */
export const SCRIPT = '/dev/.caisson-build-script';

export interface StageOptions {
  readonly escape: string;
  /** Of `--build-arg`. */
  readonly buildArgs: ReadonlyMap<string, string>;
  /** What ARG before the first FROM gives, and the platform's arguments (TARGETARCH, …). */
  readonly globalArgs: ReadonlyMap<string, string>;
}

type Changes = { -readonly [Field in keyof ImageConfig]: ImageConfig[Field] };

export class StageState {
  private readonly changed: Changes;
  private readonly args = new Map<string, string>();
  private cmdSet = false;

  constructor(
    base: ImageConfig,
    private readonly options: StageOptions,
  ) {
    this.changed = { ...base };
  }

  get config(): ImageConfig {
    return this.changed;
  }

  /** @throws ERR_INVALID_DOCKERFILE */
  apply(instruction: StageInstruction): BuildStep | undefined {
    switch (instruction.kind) {
      case 'RUN':
        return this.run(instruction);
      case 'COPY':
      case 'ADD':
        return this.copy(instruction);
      case 'ENV':
        this.setEnv(
          instruction.values.map(([name, value]) => [
            this.expand(name, instruction.line),
            this.expand(value, instruction.line),
          ]),
        );
        return undefined;
      case 'LABEL':
        this.changed.labels = {
          ...this.changed.labels,
          ...Object.fromEntries(
            instruction.values.map(([name, value]) => [
              this.expand(name, instruction.line),
              this.expand(value, instruction.line),
            ]),
          ),
        };
        return undefined;
      case 'ARG':
        this.declare(instruction);
        return undefined;
      case 'CMD':
        this.changed.cmd = this.argvOf(instruction.command);
        this.cmdSet = true;
        return undefined;
      case 'ENTRYPOINT':
        this.changed.entrypoint = this.argvOf(instruction.command);
        // The one of the base image was for its own entry point.
        if (!this.cmdSet) this.changed.cmd = [];
        return undefined;
      case 'SHELL':
        this.changed.shell = instruction.argv;
        return undefined;
      case 'EXPOSE':
        this.expose(instruction.words, instruction.line);
        return undefined;
      case 'VOLUME':
        this.changed.volumes = sorted([
          ...this.changed.volumes,
          ...instruction.words.map((word) =>
            posix.resolve('/', this.expand(word, instruction.line)),
          ),
        ]);
        return undefined;
      case 'WORKDIR':
        return this.enter(instruction.word, instruction.line, instruction.text);
      case 'USER':
        this.changed.user = this.expand(instruction.word, instruction.line);
        return undefined;
      case 'STOPSIGNAL':
        this.changed.stopSignal = this.signal(instruction.word, instruction.line);
        return undefined;
      case 'MAINTAINER':
        this.changed.author = instruction.word;
        return undefined;
      case 'HEALTHCHECK':
        this.changed.healthcheck = this.healthcheck(instruction);
        return undefined;
      case 'ONBUILD':
        this.addTrigger(instruction);
        return undefined;
    }
  }

  /** The declared arguments that this environment does not hide, for programs and for the key of the cache. */
  buildArguments(): readonly string[] {
    const names = new Set(this.changed.env.map((one) => one.slice(0, one.indexOf('='))));
    const all = [...this.options.buildArgs].filter(([name]) => PREDEFINED.has(name));
    return [...all, ...this.args]
      .filter(([name]) => !names.has(name))
      .map(([name, value]) => `${name}=${value}`);
  }

  private run({ line, text, command, hereDocuments, mounts, network }: Run): RunStep {
    const body = hereDocuments.map(({ name, content }) => `\n${content}${name}`).join('');
    let script: string | undefined;
    let argv: readonly string[];
    if (command.form === 'exec') argv = command.argv;
    else if (hereDocuments.length === 1 && /^<<-?\S+$/.test(command.text)) {
      const { content } = hereDocuments[0]!;
      // With an interpreter of its own it is a program.
      if (content.startsWith('#!')) {
        script = content;
        argv = [SCRIPT];
      } else argv = [...this.shell(), content];
    } else argv = [...this.shell(), command.text + body];
    return {
      kind: 'run',
      line,
      text,
      argv,
      env: [...this.buildArguments(), ...this.changed.env],
      user: this.changed.user,
      workdir: this.directory(),
      script,
      mounts: mounts.map((text) => parseRunMount(this.expand(text, line), this.directory(), line)),
      network,
    };
  }

  private copy(instruction: Copy): CopyStep {
    const { kind, line, text, from, checksum, parents } = instruction;
    const documents = new Map(instruction.hereDocuments.map((one) => [one.name, one]));
    const files: { name: string; content: string }[] = [];
    const sources: string[] = [];
    for (const source of instruction.sources) {
      const document = documents.get(/^<<-?["']?([^"']+)["']?$/.exec(source)?.[1] ?? '');
      if (document === undefined) sources.push(this.expand(source, line));
      else files.push({ name: document.name, content: this.contentOf(document, line) });
    }
    const target = this.expand(instruction.target, line);
    if (target === '') throw dockerfileError(line, `${kind} has an empty destination`);
    const several = sources.length + files.length > 1;
    if (several && !target.endsWith('/') && target !== '.') {
      throw dockerfileError(
        line,
        `When using ${kind} with more than one source file, the destination must be a directory and end with a /`,
      );
    }
    const absolute = posix.resolve(this.directory(), target);
    const asDirectory = /(?:^|\/)\.?$/.test(target) && absolute !== '/';
    const optional = (value: string | undefined) =>
      value === undefined ? undefined : this.expand(value, line);
    return {
      kind: 'copy',
      line,
      text,
      add: kind === 'ADD',
      sources,
      files,
      target: asDirectory ? `${absolute}/` : absolute,
      from,
      chown: optional(instruction.chown),
      chmod: this.mode(optional(instruction.chmod), line),
      checksum,
      exclude: instruction.exclude.map((pattern) => this.expand(pattern, line)),
      parents,
    };
  }

  private mode(value: string | undefined, line: number): string | undefined {
    if (value !== undefined && !/^[0-7]{1,4}$/.test(value)) {
      throw dockerfileError(line, `invalid chmod parameter: '${value}'. it should be octal`);
    }
    return value;
  }

  private contentOf({ content, expand: wanted }: HereDocument, line: number): string {
    return wanted ? this.expand(content, line, true) : content;
  }

  private enter(word: string, line: number, text: string): DirectoryStep {
    const path = posix.resolve(this.directory(), this.expand(word, line));
    this.changed.workdir = path;
    return { kind: 'directory', line, text, path };
  }

  private expose(words: readonly string[], line: number): void {
    const ports = words.flatMap((word) => portsOf(this.expand(word, line), line));
    this.changed.exposedPorts = sorted([...this.changed.exposedPorts, ...ports]);
  }

  private signal(word: string, line: number): string {
    const signal = this.expand(word, line);
    try {
      parseSignal('STOPSIGNAL', /^\d+$/.test(signal) ? Number(signal) : signal);
    } catch {
      throw dockerfileError(line, `STOPSIGNAL: invalid signal: ${signal}`);
    }
    return signal;
  }

  private healthcheck({ command, flags, line }: Healthcheck): ImageHealthcheck {
    const flag = (name: string) => flags.find((one) => one.name === name)?.value;
    const time = (name: string) => {
      const value = flag(name);
      if (value === undefined) return 0;
      try {
        return parseDuration(name, value);
      } catch (error) {
        throw dockerfileError(line, (error as Error).message);
      }
    };
    const retries = flag('retries') ?? '0';
    if (!/^\d{1,9}$/.test(retries)) {
      throw dockerfileError(line, `--retries cannot be "${retries}": it is a number`);
    }
    return {
      test:
        command === undefined
          ? 'none'
          : command.form === 'exec'
            ? { command: command.argv }
            : { shell: command.text },
      interval: time('interval'),
      timeout: time('timeout'),
      startPeriod: time('start-period'),
      startInterval: time('start-interval'),
      retries: Number(retries),
    };
  }

  private addTrigger({ instruction }: OnBuild): void {
    this.changed.onBuild = [...this.changed.onBuild, instruction];
  }

  private declare({ values, line }: Arg): void {
    for (const [name, text] of values) {
      const given = this.options.buildArgs.get(name);
      const value =
        given ??
        (text === undefined ? this.options.globalArgs.get(name) : this.expand(text, line));
      if (value === undefined) this.args.delete(name);
      else this.args.set(name, value);
    }
  }

  private setEnv(values: readonly (readonly [name: string, value: string])[]): void {
    const env = [...this.changed.env];
    for (const [name, value] of values) {
      const at = env.findIndex((one) => one.startsWith(`${name}=`));
      if (at < 0) env.push(`${name}=${value}`);
      else env[at] = `${name}=${value}`;
    }
    this.changed.env = env;
  }

  private argvOf(command: Command): readonly string[] {
    return command.form === 'exec' ? command.argv : [...this.shell(), command.text];
  }

  private shell(): readonly string[] {
    return this.changed.shell.length > 0 ? this.changed.shell : SHELL;
  }

  private directory(): string {
    return this.changed.workdir === '' ? '/' : this.changed.workdir;
  }

  private expand(word: string, line: number, raw = false): string {
    const variables = (name: string) =>
      this.changed.env.find((one) => one.startsWith(`${name}=`))?.slice(name.length + 1) ??
      this.args.get(name) ??
      (PREDEFINED.has(name) ? this.options.buildArgs.get(name) : undefined);
    return expand(word, { variables, escape: this.options.escape, line, raw });
  }
}

function sorted(values: readonly string[]): readonly string[] {
  return [...new Set(values)].sort();
}

function portsOf(text: string, line: number): readonly string[] {
  const found = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/i.exec(text);
  const first = Number(found?.[1]);
  const last = Number(found?.[2] ?? first);
  if (found === null || first > last || last > 65_535) {
    throw dockerfileError(line, `invalid containerPort: ${text}`);
  }
  const protocol = (found[3] ?? 'tcp').toLowerCase();
  return Array.from({ length: last - first + 1 }, (_, n) => `${first + n}/${protocol}`);
}
