/** The instructions of a Dockerfile, checked as far as that is possible without its variables. */
import type { HereDocument } from './logical-lines.js';
import type { Flag } from './words.js';

/** A command: the arguments of a program, or a text for the shell. */
export type Command =
  | { readonly form: 'exec'; readonly argv: readonly string[] }
  | { readonly form: 'shell'; readonly text: string };

interface Common {
  /** Counted from 1. */
  readonly line: number;
  /** As written, on one line: for the history and the progress. */
  readonly text: string;
}

export interface From extends Common {
  readonly kind: 'FROM';
  /** Not yet expanded. */
  readonly image: string;
  readonly platform: string | undefined;
  /** In lower case. */
  readonly name: string | undefined;
}

export interface Run extends Common {
  readonly kind: 'RUN';
  readonly command: Command;
  readonly hereDocuments: readonly HereDocument[];
  readonly mounts: readonly string[];
  readonly network: 'default' | 'none' | 'host';
}

export interface Copy extends Common {
  readonly kind: 'COPY' | 'ADD';
  /** Not yet expanded. A name that is one of `hereDocuments` stands as `<<NAME`. */
  readonly sources: readonly string[];
  readonly target: string;
  readonly hereDocuments: readonly HereDocument[];
  readonly from: string | undefined;
  readonly chown: string | undefined;
  readonly chmod: string | undefined;
  readonly checksum: string | undefined;
  readonly exclude: readonly string[];
  readonly parents: boolean;
}

export interface Assign extends Common {
  readonly kind: 'ENV' | 'LABEL';
  readonly values: readonly (readonly [name: string, value: string])[];
}

export interface Arg extends Common {
  readonly kind: 'ARG';
  readonly values: readonly (readonly [name: string, value: string | undefined])[];
}

export interface CommandInstruction extends Common {
  readonly kind: 'CMD' | 'ENTRYPOINT';
  readonly command: Command;
}

export interface Shell extends Common {
  readonly kind: 'SHELL';
  readonly argv: readonly string[];
}

export interface Words extends Common {
  readonly kind: 'EXPOSE' | 'VOLUME';
  readonly words: readonly string[];
}

export interface Word extends Common {
  readonly kind: 'WORKDIR' | 'USER' | 'STOPSIGNAL' | 'MAINTAINER';
  readonly word: string;
}

export interface OnBuild extends Common {
  readonly kind: 'ONBUILD';
  /** The instruction, as written. */
  readonly instruction: string;
}

export interface Healthcheck extends Common {
  readonly kind: 'HEALTHCHECK';
  /** Undefined: none, also not that of the base image. */
  readonly command: Command | undefined;
  readonly flags: readonly Flag[];
}

export type StageInstruction =
  | Run
  | Copy
  | Assign
  | Arg
  | CommandInstruction
  | Shell
  | Words
  | Word
  | OnBuild
  | Healthcheck;

export type Instruction = From | StageInstruction;
