/**
 * Pulls, each into a store that is empty, with all layers unpacked at the end: caisson and others, in turn, from one registry. The
 * stores are on one filesystem, and stay until the end of the bench: ext4 does not use an inode again for some minutes after its
 * file was deleted, and without a journal it looks at each of these for each new file (recently_deleted in fs/ext4/ialloc.c).
 */
import { execFile } from 'node:child_process';
import { statSync } from 'node:fs';
import { mkdir, statfs } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { Sample } from './contestant.js';
import type { BenchRegistry, MadeImage } from './image-registry.js';
import { LineProcess } from './line-process.js';
import { installed, works } from './peers.js';
import { peakMemory } from './peak-memory.js';
import { CAISSON_COMMAND, CAISSON_LIBRARY, TAR, type PullResult } from './image-report.js';
import { summarize } from './statistics.js';
import { repository, type Workspace } from './workspace.js';

const run = promisify(execFile);

const GIB = 2 ** 30;
/** Of a pull, in seconds. */
const TIMEOUT = 180;

interface Pull {
  /** With the registry, and with a tag. */
  readonly reference: string;
  /** A new directory. */
  readonly directory: string;
  readonly image: MadeImage;
}

/** A tool that pulls. */
interface Puller {
  readonly name: string;
  readonly command: (pull: Pull) => readonly string[];
  /** In place of the command. */
  readonly run?: (pull: Pull) => Promise<readonly Sample[]>;
  /** The work is that of its processes, and not of a daemon's. */
  readonly hasMemory: boolean;
}

const CAISSON: Puller = {
  name: CAISSON_COMMAND,
  command: ({ reference, directory }) => [
    `${repository}bin/caisson`,
    ...['--data-root', `${directory}/data`, '--run-root', `${directory}/run`],
    ...['pull', '--quiet', reference],
  ],
  hasMemory: true,
};

const PODMAN: Puller = {
  name: 'podman',
  command: ({ reference, directory }) => [
    ...['podman', '--root', `${directory}/root`, '--runroot', `${directory}/run`],
    ...['--storage-driver', 'overlay', 'pull', '--quiet', '--tls-verify=false', reference],
  ],
  hasMemory: true,
};

const DOCKER: Puller = {
  name: 'docker',
  command: ({ reference }) => ['docker', 'pull', '--quiet', reference],
  hasMemory: false,
};

const SKOPEO: Puller = {
  name: 'skopeo + umoci',
  command: ({ reference, directory }) => {
    const copy = 'skopeo --insecure-policy copy --quiet --src-tls-verify=false';
    const script = `${copy} docker://$1 oci:$2/image:1 && umoci raw unpack --image $2/image:1 $2/root`;
    return ['sh', '-c', script, 'sh', reference, directory];
  },
  hasMemory: true,
};

/** What the machine takes for decompressing and writing the files. */
const UNPACKED_BY_TAR: Puller = {
  name: TAR,
  command: ({ directory, image: { paths } }) => {
    const each = 'n=$((n + 1)); mkdir $n && tar -xpf $layer -C $n || exit';
    const script = `n=0; cd $1 && shift && for layer; do ${each}; done`;
    return ['sh', '-c', script, 'sh', directory, ...paths];
  },
  hasMemory: true,
};

async function openPeers(workspace: Workspace): Promise<Puller[]> {
  const found: Puller[] = [];
  const leftOut = (name: string, why: string) => {
    console.error(`left out: ${name}, ${why}`);
  };
  if (await installed('podman')) found.push(PODMAN);
  else leftOut(PODMAN.name, 'which is not installed');
  if ((await installed('docker')) && (await works('docker', 'info'))) {
    const { stdout } = await run('docker', ['info', '--format', '{{.DockerRootDir}}']);
    const device = statSync(stdout.trim(), { throwIfNoEntry: false })?.dev;
    if (device === statSync(workspace.directory).dev) found.push(DOCKER);
    else leftOut(DOCKER.name, `whose store, ${stdout.trim()}, is on another filesystem`);
  } else leftOut(DOCKER.name, 'of which no daemon runs (scripts/with-docker)');
  if ((await installed('skopeo')) && (await installed('umoci'))) found.push(SKOPEO);
  else leftOut(SKOPEO.name, 'which are not installed');
  return found;
}

export interface PullOptions {
  readonly rounds: number;
  readonly only: RegExp;
  /** No round begins later than so many milliseconds after the first one. */
  readonly longest: number;
}

export class Pulls implements AsyncDisposable {
  private serial = 0;

  private constructor(
    private readonly workspace: Workspace,
    private readonly registry: BenchRegistry,
    private readonly launcher: LineProcess,
    private readonly worker: LineProcess,
    private readonly peers: readonly Puller[],
  ) {}

  static async open(
    workspace: Workspace,
    registry: BenchRegistry,
    worker: LineProcess,
  ): Promise<Pulls> {
    const launcher = new LineProcess(workspace.helper('launch'), []);
    return new Pulls(workspace, registry, launcher, worker, await openPeers(workspace));
  }

  /** In turn, the first round as a warm-up; whoever fails is left out from then on. */
  async race(image: MadeImage, { rounds, only, longest }: PullOptions): Promise<PullResult[]> {
    const library: Puller = {
      ...CAISSON,
      name: CAISSON_LIBRARY,
      run: ({ reference }) => {
        const name = reference.slice(this.registry.host.length + 1);
        return this.worker.ask<Sample>(`pull:${name} 1 0`);
      },
      hasMemory: false,
    };
    let taking = [library, CAISSON, ...this.peers, UNPACKED_BY_TAR].filter(({ name }) =>
      only.test(name),
    );
    const fitting = await this.fitting(image, taking.length, rounds);
    const samples = new Map<string, Sample[]>();
    const memory = new Map<string, number>();
    const attempt = async (puller: Puller, work: () => Promise<void>) => {
      try {
        await work();
      } catch (error) {
        taking = taking.filter((one) => one !== puller);
        console.error(`left out: ${puller.name}: ${(error as Error).message}`);
      }
    };
    const began = performance.now();
    for (let round = 0; round < fitting + 2; round++) {
      const isLast = round === fitting + 1;
      if (!isLast && round > 2 && performance.now() - began > longest) continue;
      const tagged = await this.registry.pushVariant(image, this.serial++);
      // Each is now the first one, and now the last one.
      const at = round % taking.length;
      for (const puller of [...taking.slice(at), ...taking.slice(0, at)]) {
        if (isLast && !puller.hasMemory) continue;
        const pull = await this.prepare(image, tagged, puller);
        await attempt(puller, async () => {
          if (isLast) memory.set(puller.name, await peakMemory(puller.command(pull)));
          else {
            const taken = await (puller.run?.(pull) ?? this.timed(puller, pull));
            if (round > 0)
              samples.set(puller.name, [...(samples.get(puller.name) ?? []), ...taken]);
          }
        });
      }
      if (process.stderr.isTTY) process.stderr.write(`\r${image.name}, round ${round} `);
    }
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
    return taking.map(({ name }) => ({
      name,
      backToBack: summarize(samples.get(name) ?? []),
      peakBytes: memory.get(name),
    }));
  }

  /** Of `caisson pull` of one layer of so many MiB. */
  async memoryOf(name: string): Promise<PullResult> {
    const reference = `${this.registry.host}/${name}`;
    const directory = await this.newDirectory();
    const image = { name, config: {}, layers: [], paths: [] };
    const peakBytes = await peakMemory(CAISSON.command({ reference, directory, image }));
    return { name: CAISSON_COMMAND, backToBack: undefined, peakBytes };
  }

  /** What the ones before have written is on the disk when the next one begins. */
  private async prepare(
    image: MadeImage,
    tagged: string,
    { name, run: own }: Puller,
  ): Promise<Pull> {
    const reference = `${this.registry.host}/${tagged}`;
    const directory = own === undefined ? await this.newDirectory() : this.workspace.directory;
    await run('sync', ['--file-system', this.workspace.directory]);
    if (name === DOCKER.name) this.workspace.atExit(`docker image rm --force ${reference}`);
    return { reference, directory, image };
  }

  private async newDirectory(): Promise<string> {
    const directory = `${this.workspace.directory}/pulls/${this.serial++}`;
    await mkdir(directory, { recursive: true });
    return directory;
  }

  private async timed(puller: Puller, pull: Pull): Promise<Sample[]> {
    const line = [`1 0 ${TIMEOUT}`, ...puller.command(pull)].join('\t');
    const answers = await this.launcher.ask<Sample & { exitCode?: number }>(line);
    const failed = answers.find(({ exitCode }) => exitCode !== undefined);
    if (failed === undefined) return answers;
    throw new Error(`exit code ${failed.exitCode}: ${this.launcher.complaints.split('\n').at(-1)}`);
  }

  /** As many rounds as there is room for. */
  private async fitting(image: MadeImage, pullers: number, rounds: number): Promise<number> {
    const { bavail, bsize } = await statfs(this.workspace.directory);
    const packed = image.layers.reduce((sum, { bytes }) => sum + bytes.length, 0);
    // Packed and unpacked, and the registry's.
    const each = packed * (5 * pullers + 1);
    const most = Math.floor((bavail * bsize - 4 * GIB) / each) - 2;
    if (most < 1) throw new Error(`there is no room for images in ${this.workspace.directory}`);
    if (most < rounds) console.error(`${image.name}: room for ${most} rounds only`);
    return Math.min(rounds, most);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.launcher[Symbol.asyncDispose]();
  }
}
