/** Users of the command line in an outer network: root, and an unprivileged one. */
import { type ChildProcess, execFile, spawn, type StdioOptions } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import type { OuterNetwork } from './outer-network.js';
import { eventually } from './outside.js';
import { fixture, repository } from './paths.js';
import { type Said, UnprivilegedUser } from './unprivileged-user.js';

/** A user of the command line there. */
export interface CommandLineUser {
  caisson(args: readonly string[], before?: string): Promise<Said>;
  /** One of the fixtures, with that network. */
  fixture(name: string, mode: string, env?: Readonly<Record<string, string>>): ChildProcess;
  cleanUp(): Promise<void>;
  /** The directory of the user's containers. */
  readonly containers: string;
}

export async function root(outer: OuterNetwork): Promise<CommandLineUser> {
  const home = await mkdtemp(join(tmpdir(), 'caisson-network-'));
  const roots = ['--data-root', join(home, 'data'), '--run-root', join(home, 'run')];
  return {
    fixture: (name, mode, env = {}) => {
      const [program = '', ...args] = [
        ...outer.within,
        ...[process.execPath, fixture(name), mode, join(home, 'data'), join(home, 'run')],
      ];
      const stdio: StdioOptions = ['ignore', 'pipe', 'inherit'];
      return spawn(program, args, { stdio, env: { ...process.env, ...env } });
    },
    caisson: (args, before = '') =>
      new Promise((resolve) => {
        const script = `${before}\nexec "$@"`;
        const [program = '', ...rest] = [
          ...outer.within,
          ...['unshare', '--mount', '--propagation', 'private', 'sh', '-c', script, 'sh'],
          ...[join(repository, 'bin/caisson'), ...roots, ...args],
        ];
        execFile(program, rest, { encoding: 'utf8' }, (error, stdout, stderr) => {
          resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
        });
      }),
    cleanUp: () => rm(home, { recursive: true, force: true }),
    containers: join(home, 'data/containers'),
  };
}

export async function unprivileged(outer: OuterNetwork): Promise<CommandLineUser> {
  const user = await UnprivilegedUser.make(true);
  return {
    fixture: (name, mode, env = {}) => {
      const program = join(user.directory, `package/dist/test/integration/fixtures/${name}.js`);
      return user.start([process.execPath, program, mode], { within: outer.within, env });
    },
    caisson: (args, before = '') => user.caisson(args, { within: outer.within, before }),
    cleanUp: () => user.cleanUp(),
    containers: user.containers,
  };
}

/** @returns what a command that succeeds has printed */
export async function succeeded(
  user: CommandLineUser,
  args: readonly string[],
  before?: string,
): Promise<string> {
  const { code, stdout, stderr } = await user.caisson(args, before);
  expect(code, `caisson ${args.join(' ')}\n${stdout}${stderr}`).to.equal(0);
  return stdout.trimEnd();
}

/** @returns the error of a command that is refused */
export async function refused(
  user: CommandLineUser,
  args: readonly string[],
  before?: string,
): Promise<string> {
  const { code, stdout, stderr } = await user.caisson(args, before);
  expect(code, `caisson ${args.join(' ')}\n${stdout}${stderr}`).to.equal(125);
  return stderr;
}

/** Waits until this is what a container has written; looks into its log itself, because each command takes a process of Node. */
export async function untilLogged(
  user: CommandLineUser,
  idOrName: string,
  text: string,
): Promise<void> {
  const name = join(dirname(user.containers), 'names', idOrName);
  await eventually(async () => {
    const id = await readlink(name).catch(() => idOrName);
    const lines = (await readFile(join(user.containers, id, 'json.log'), 'utf8'))
      .trimEnd()
      .split('\n');
    const written = lines.map((line) => (JSON.parse(line) as { log: string }).log).join('');
    expect(written.trimEnd()).to.equal(text);
  });
  expect(await succeeded(user, ['logs', idOrName])).to.equal(text);
}

/** Detached ones: others end with their caller. */
export async function removeContainers(user: CommandLineUser): Promise<void> {
  const names = await readdir(user.containers).catch(() => []);
  const ids = names.filter((id) => existsSync(join(user.containers, id, 'config.json')));
  if (ids.length > 0) await user.caisson(['rm', '-f', ...ids]);
}
