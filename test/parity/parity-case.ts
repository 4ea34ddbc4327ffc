/** One thing that people do with Docker, as the command lines that they type. */

export type Difference = 'better' | 'differs' | 'missing';

export interface ParityCase {
  readonly name: string;
  /**
   * Each is a line for sh, where `docker` is the engine and, by the prelude (engine-under-test.ts):
   * `$image` a busybox system with the command `sh`, `$bare` the same without a command;
   * `$c` a container name of the case's own: it, `$c-b`, `$c-c` and `$c-d` are removed afterwards;
   * `$n` a name of a network of the case's own: it and `$n-b` are removed afterwards;
   * `$v` a name of a volume of the case's own: it, `$v-b` and `$v-c` are removed afterwards;
   * `$t` a repository of the case's own: it, `$r/$t` and those whose names begin so are removed afterwards;
   * `$base` and `$full` images that both engines have, from one archive: the system of `$image`, and one with all that a
   * configuration can say (scripts/images/parity); `$r` is a registry of the engine's own, with `$r/$base` and `$r/$full`;
   * `$d` an empty directory, which is also the working directory;
   * `status NAME STATUS` waits for a container's status, `logged NAME TEXT` for its output;
   * `get ADDRESS:PORT` waits for a web server, and prints its page;
   * `pty …` is terminal.py: a command with a terminal.
   */
  readonly steps: readonly string[];
  /** Needs an engine that has nothing else. */
  readonly alone?: true;
  /** The texts of error messages count too, not only that there is one. */
  readonly messages?: true;
  /** Why the outcome is not Docker's. A case without one has to be the same. */
  readonly verdict?: { readonly is: Difference; readonly why: string };
}

export interface Section {
  readonly title: string;
  readonly cases: readonly ParityCase[];
}

export interface StepOutcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}
