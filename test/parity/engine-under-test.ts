/** Docker or caisson, and how the steps of a case are run with it. */
import { spawn } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ParityCase, StepOutcome } from './parity-case.js';

const PTY = fileURLToPath(new URL('../../../test/parity/terminal.py', import.meta.url));
/** Nothing that is measured here takes as long. */
const STEP_LIMIT_MS = 40_000;

const PRELUDE = `
status() {
  tries=0
  until [ "$(docker inspect -f '{{.State.Status}}' "$1" 2>/dev/null)" = "$2" ]; do
    tries=$((tries + 1)); [ $tries -lt 150 ] || { echo "$1 is not $2" >&2; return 1; }
    sleep 0.1
  done
}
logged() {
  tries=0
  until docker logs "$1" 2>&1 | grep -q "$2"; do
    tries=$((tries + 1)); [ $tries -lt 150 ] || { echo "$1 has not said $2" >&2; return 1; }
    sleep 0.1
  done
}
get() {
  tries=0
  until timeout 5 busybox wget -q -O - "http://$1/" 2>/dev/null; do
    tries=$((tries + 1)); [ $tries -lt 50 ] || { echo "$1 has not answered" >&2; return 1; }
    sleep 0.1
  done
}
pty() { python3 '${PTY}' "$@"; }
`;

/** By their names: an id can be that of an image of other cases. */
const REMOVE_IMAGES = `
for pattern in "$t*" "$r/$t*"; do
  docker images --filter "reference=$pattern:*" --format '{{.Repository}}:{{.Tag}}' | grep -v '<none>' | xargs -r docker rmi -f
  docker images --filter "reference=$pattern" --filter dangling=true -q | xargs -r docker rmi -f
done`;

export interface Images {
  /** As words of a command line. */
  readonly image: string;
  readonly bare: string;
}

export class EngineUnderTest {
  readonly #bin: string;
  readonly #prelude: string;
  /** Leaders of the process groups of steps. */
  readonly #running = new Set<number>();

  constructor(
    readonly name: string,
    readonly command: readonly string[],
    readonly images: Images,
    private readonly home: string,
    /** A file of the network namespace in which the steps are run; empty: that of this process. */
    private readonly namespace = '',
  ) {
    this.#bin = join(home, 'bin');
    mkdirSync(this.#bin, { recursive: true });
    const words = command.map((word) => `'${word}'`).join(' ');
    writeFileSync(join(this.#bin, 'docker'), `#!/bin/sh\nexec ${words} "$@"\n`);
    chmodSync(join(this.#bin, 'docker'), 0o755);
    this.#prelude = join(home, 'prelude');
    writeFileSync(this.#prelude, PRELUDE);
  }

  /** Ends what is running. */
  abandon(): void {
    for (const leader of this.#running) process.kill(-leader, 'SIGKILL');
  }

  scratch(id: string): string {
    return join(this.home, id);
  }

  async runCase({ steps, alone }: ParityCase, id: string): Promise<StepOutcome[]> {
    const directory = this.scratch(id);
    mkdirSync(directory, { recursive: true });
    if (alone === true) await this.sh('docker ps -aq | xargs -r docker rm -fv', id);
    const outcomes: StepOutcome[] = [];
    try {
      for (const step of steps) outcomes.push(await this.sh(step, id));
    } finally {
      await this.sh('docker rm -fv "$c" "$c-b" "$c-c" "$c-d"', id);
      const uses = (text: string) => steps.some((step) => step.includes(text));
      if (uses('$n')) await this.sh('docker network rm "$n" "$n-b"', id);
      if (uses('$v')) await this.sh('docker volume rm -f "$v" "$v-b" "$v-c"', id);
      if (uses('$t')) await this.sh(REMOVE_IMAGES, id);
      rmSync(directory, { recursive: true, force: true });
    }
    return outcomes;
  }

  /** Output goes by way of files: a background process that keeps them open is not waited for. */
  async sh(line: string, id: string): Promise<StepOutcome> {
    const files = (['stdout', 'stderr'] as const).map((name) => `${this.scratch(id)}.${name}`);
    const [out = '', err = ''] = files;
    const descriptors = files.map((file) => openSync(file, 'w'));
    try {
      const shell = ['sh', '-c', `. '${this.#prelude}'\n${line}`];
      const [command = '', ...args] =
        this.namespace === '' ? shell : ['nsenter', `--net=${this.namespace}`, '--', ...shell];
      const child = spawn(command, args, {
        cwd: this.scratch(id),
        detached: true,
        stdio: ['ignore', ...descriptors],
        env: {
          PATH: `${this.#bin}:${process.env.PATH ?? ''}`,
          HOME: this.home,
          DOCKER_CONFIG: this.home,
          DOCKER_CLI_HINTS: 'false',
          TERM: 'xterm',
          // As Docker without networks (scripts/with-docker).
          ...(process.env['DOCKER_NETWORK'] === undefined ? { CAISSON_NETWORK: 'none' } : {}),
          c: id,
          n: `${id}-net`,
          v: `${id}-vol`,
          t: `${id}-image`,
          r: '127.0.0.1:5000',
          base: 'parity/base:1',
          full: 'parity/full:1',
          d: this.scratch(id),
          image: this.images.image,
          bare: this.images.bare,
        },
      });
      const { pid } = child;
      if (pid !== undefined) this.#running.add(pid);
      const code = await new Promise<number>((resolve, reject) => {
        const timer = setTimeout(() => {
          if (pid !== undefined) process.kill(-pid, 'SIGKILL');
        }, STEP_LIMIT_MS);
        child.once('error', reject);
        child.once('exit', (status, signal) => {
          clearTimeout(timer);
          if (pid !== undefined) this.#running.delete(pid);
          // 124 is what timeout(1) says.
          resolve(signal === null ? (status ?? -1) : 124);
        });
      });
      return { code, stdout: readFileSync(out, 'latin1'), stderr: readFileSync(err, 'latin1') };
    } finally {
      for (const descriptor of descriptors) closeSync(descriptor);
      for (const file of files) rmSync(file, { force: true });
    }
  }
}
