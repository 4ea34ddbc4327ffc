/**
 * An unprivileged user, as the command line and the library find one: with account files, a home directory and a copy of
 * the package of the user's own, and without a trace on the machine. The account is seen in a private mount namespace only.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import {
  chmod,
  chown,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rm,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { isErrno } from '../../lib/base/errno.js';
import { eventually } from './outside.js';
import { makeBusybox } from './workshop.js';

/** The repository; this file is `dist/test/support/unprivileged-user.js` when it runs. */
const repository = fileURLToPath(new URL('../../../', import.meta.url));

export const NAME = 'caisson-user';
export const RANGE = 65_536;
/** Of this process alone: the user's processes are known by their ids, and others may test beside. */
const own = process.pid % 4000;
export const UID = 61_000 + own;
/** First host ids of the user's ranges. */
export const SUBUID = 700_000_000 + own * RANGE;
export const SUBGID = 1_000_000_000 + own * RANGE;

export interface Said {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunAs {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  /** Shell commands of root's, in the mount namespace in which the user is then. */
  readonly before?: string;
  /** A command of root's that runs the user's: in other namespaces. */
  readonly within?: readonly string[];
}

export class UnprivilegedUser {
  /** Those that have not ended yet. */
  private readonly children = new Set<ChildProcess>();

  private constructor(
    readonly directory: string,
    private readonly accounts: readonly string[],
  ) {}

  /** @param ranges with subordinate ids. */
  static async make(ranges: boolean): Promise<UnprivilegedUser> {
    const directory = await realpath(await mkdtemp(join(tmpdir(), 'caisson-user-')));
    try {
      await chmod(directory, 0o755);
      await copyPackage(join(directory, 'package'));
      for (const [name, mode] of [
        ['home', 0o755],
        ['run', 0o700],
      ] as const) {
        await mkdir(join(directory, name));
        await chmod(join(directory, name), mode);
        await chown(join(directory, name), UID, UID);
      }
      const lines = {
        passwd: `${NAME}:x:${UID}:${UID}::${directory}/home:/bin/sh\n`,
        group: `${NAME}:x:${UID}:\n`,
        subuid: ranges ? `${NAME}:${SUBUID}:${RANGE}\n` : '',
        subgid: ranges ? `${NAME}:${SUBGID}:${RANGE}\n` : '',
      };
      await mkdir(join(directory, 'etc'));
      for (const [name, line] of Object.entries(lines)) {
        const text = await readFile(join('/etc', name), 'utf8').catch(() => '');
        await writeFile(join(directory, 'etc', name), `${text}${line}`);
      }
      // What the machine does not have cannot be covered.
      const accounts = Object.keys(lines).filter((name) => existsSync(join('/etc', name)));
      return new UnprivilegedUser(directory, accounts);
    } catch (error) {
      await rm(directory, { recursive: true, force: true });
      throw error;
    }
  }

  get home(): string {
    return join(this.directory, 'home');
  }

  /** Where the user's containers are by default. */
  get containers(): string {
    return join(this.home, '.local/share/caisson/containers');
  }

  get bin(): string {
    return join(this.directory, 'package/bin/caisson');
  }

  /** A root directory of the user's own, with busybox in it; its path. */
  busybox(): string {
    const root = join(this.directory, 'root');
    if (existsSync(root)) return root;
    makeBusybox(root);
    execFileSync('chown', ['-R', `${UID}:${UID}`, root]);
    return root;
  }

  /** One program of the user's. */
  start(
    command: readonly string[],
    { env = {}, before = '', within = [] }: RunAs = {},
  ): ChildProcess {
    const binds = this.accounts.map(
      (name) => `mount --bind '${this.directory}/etc/${name}' /etc/${name}\n`,
    );
    const script = `set -e\n${binds.join('')}${before}\ncd '${this.home}'; exec setpriv --reuid ${UID} --regid ${UID} --clear-groups "$@"`;
    const [program = '', ...args] = [
      ...within,
      ...['unshare', '--mount', '--propagation', 'private', 'sh', '-c', script, 'sh'],
      ...command,
    ];
    const child = spawn(program, args, {
      stdio: 'pipe',
      env: {
        PATH: process.env['PATH'],
        HOME: this.home,
        USER: NAME,
        XDG_RUNTIME_DIR: join(this.directory, 'run'),
        CAISSON_NETWORK: process.env['CAISSON_NETWORK'],
        ...env,
      },
    });
    this.children.add(child);
    child.once('close', () => this.children.delete(child));
    return child;
  }

  async run(command: readonly string[], options: RunAs = {}): Promise<Said> {
    const child = this.start(command, options);
    const said = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const)
      child[name]?.setEncoding('utf8').on('data', (text: string) => (said[name] += text));
    child.stdin?.end(options.input ?? '');
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    return { code, ...said };
  }

  caisson(args: readonly string[], options: RunAs = {}): Promise<Said> {
    return this.run([process.execPath, this.bin, ...args], options);
  }

  /** What it writes; fails the test unless it succeeds. */
  async ok(args: readonly string[], options: RunAs = {}): Promise<string> {
    const { code, stdout, stderr } = await this.caisson(args, options);
    expect(code, `caisson ${args.join(' ')}\n${stdout}${stderr}`).to.equal(0);
    return stdout.trimEnd();
  }

  /** What it says; fails the test unless it fails so. */
  async fails(args: readonly string[], options: RunAs = {}, status = 125): Promise<string> {
    const { code, stdout, stderr } = await this.caisson(args, options);
    expect(code, `caisson ${args.join(' ')}\n${stdout}${stderr}`).to.equal(status);
    return stderr;
  }

  /** A program of the package's tests, and what it prints as JSON. */
  async fixture(
    name: string,
    env: Readonly<Record<string, string>> = {},
    args: readonly string[] = [],
  ): Promise<unknown> {
    const program = join(this.directory, 'package/dist/test/integration/fixtures', `${name}.js`);
    const { code, stdout, stderr } = await this.run([process.execPath, program, ...args], { env });
    expect(code, `${stdout}${stderr}`).to.equal(0);
    return JSON.parse(stdout) as unknown;
  }

  /** Pids of the user's processes, and of those of the subordinate ids. */
  processes(): number[] {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .filter((pid) => {
        try {
          const uid = statSync(`/proc/${pid}`).uid;
          if (uid === UID || (uid >= SUBUID && uid < SUBUID + RANGE)) return isAlive(pid);
          // What may not be looked into belongs to root there.
          const real = /^Uid:\t(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
          return real === String(UID) && isAlive(pid);
        } catch {
          return false; // it has just ended
        }
      })
      .map(Number);
  }

  /** Nothing of the user's containers is there any more. */
  async expectNothing(): Promise<void> {
    await eventually(async () => {
      const left = this.processes().map((pid) => `${pid} ${commandOf(pid)}`);
      expect(left, 'processes').to.deep.equal([]);
      expect(await readdir(this.containers).catch(() => []), 'containers').to.deep.equal([]);
      const sockets = join(this.directory, 'run/caisson/supervisors');
      expect(await readdir(sockets).catch(() => []), 'sockets').to.deep.equal([]);
    });
  }

  /**
   * After each test: removes what it has left, for the next.
   *
   * @param strict fails when there was anything.
   */
  async clear(strict = true): Promise<void> {
    try {
      if (strict) await this.expectNothing();
    } finally {
      await this.endAll();
      for (const path of [join(this.home, '.local/share/caisson/names'), this.containers])
        for (const name of await readdir(path).catch(() => []))
          await rm(join(path, name), { recursive: true, force: true });
    }
  }

  /** Removes everything, however the test went. */
  async cleanUp(): Promise<void> {
    await this.endAll();
    await rm(this.directory, { recursive: true, force: true });
  }

  private async endAll(): Promise<void> {
    for (const child of this.children) child.kill('SIGKILL');
    for (const pid of this.processes()) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch (error) {
        if (!isErrno(error, 'ESRCH')) throw error; // it has just ended
      }
    }
    await eventually(() => expect(this.processes()).to.deep.equal([]));
  }
}

function isAlive(pid: string): boolean {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2));
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '(ended)';
  }
}

/** What `npm install` would have put there, and the tests' fixtures. */
async function copyPackage(to: string): Promise<void> {
  const parts = ['package.json', 'bin', 'dist/lib', 'dist/test/integration/fixtures'];
  for (const part of [...parts, 'node_modules/commander']) {
    await mkdir(dirname(join(to, part)), { recursive: true });
    await cp(join(repository, part), join(to, part), { recursive: true });
  }
  for (const [from, name] of [
    [process.env['CAISSON_NATIVE'] ?? 'build/Release', 'Release'],
    ['build/Debug', 'Debug'],
  ] as const) {
    await mkdir(join(to, 'build', name), { recursive: true });
    for (const file of ['caisson.node', 'caisson-init', 'caisson-archive'])
      await cp(join(repository, from, file), join(to, 'build', name, file));
  }
  execFileSync('chmod', ['-R', 'a+rX', to]);
}
