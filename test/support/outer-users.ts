/** Users of the command line in an outer network: root, and an unprivileged one. */
import { type ChildProcess, execFile, spawn, type StdioOptions } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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

/** Removes the containers of a user; what has passed on their packets ends with them. */
export async function removeContainers(user: CommandLineUser, outer: OuterNetwork): Promise<void> {
  const { stdout } = await user.caisson(['ps', '-aq']);
  const ids = stdout.split('\n').filter(Boolean);
  if (ids.length > 0) await user.caisson(['rm', '-f', ...ids]);
  await eventually(() => expect(outer.guests(), 'processes').to.deep.equal([]));
}
