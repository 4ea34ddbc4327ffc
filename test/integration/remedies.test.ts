/**
 * What a machine may deny its unprivileged users: one of them meets it, by a `run` and by `info`, root does what the error says
 * gives it, word for word, and then it is there. Switches and accounts are those of a whole machine: a virtual one.
 */
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { expect } from 'chai';
import type { RunOptions } from '../../lib/engine/options/options.js';
import { isRoot } from '../support/needs.js';
import { eventually } from '../support/outside.js';
import { fixture, repository } from '../support/paths.js';
import type { Attempt } from './fixtures/attempt.js';
import { skipping } from '../support/skip.js';

const run = promisify(execFile);

const NAME = 'caisson-remedies';
const HOME = `/home/${NAME}`;
const DROP_INS = '/etc/systemd/system/user@.service.d';

/** `alone`: not logged in, as by su or cron. */
type Manner = 'alone' | 'logged in' | 'filtered' | 'root';

/** A service's. Not as a service of that user: it would have no-new-privileges, too. */
const FILTER = ['SystemCallFilter=~sethostname', 'SystemCallErrorNumber=EPERM'];

/** What a hint tells root to do, as far as `pattern` says; one group is what to take of it. */
function remedyIn(text: string | undefined, pattern: RegExp): string {
  const found = pattern.exec(text ?? '');
  expect(found, `${pattern} in ${text}`).not.to.equal(null);
  return found?.[1] ?? '';
}

async function root(command: string): Promise<void> {
  await run('sh', ['-ec', command]);
}

const lack =
  process.env['CAISSON_TEST_VM'] !== '1'
    ? 'it turns switches of the whole machine: in virtual machines only'
    : isRoot
      ? undefined
      : 'needs root: it does what root is told to';

describe('remedies', function () {
  this.timeout(60_000);
  if (lack !== undefined) {
    skipping(lack).it('The remedies work as they are written');
    return;
  }
  const systemd = existsSync('/run/systemd/system')
    ? undefined
    : 'systemd is not this machine’s init';
  let uid = 0;

  before(async () => {
    // As on a machine whose accounts are from elsewhere: the user has no subordinate ids.
    const bare = ['-K', 'SUB_UID_COUNT=0', '-K', 'SUB_GID_COUNT=0'];
    await run('useradd', ['--create-home', '--shell', '/bin/sh', ...bare, NAME]);
    uid = Number((await run('id', ['-u', NAME])).stdout);
  });

  after(async () => {
    if (systemd === undefined) {
      await run('loginctl', ['disable-linger', NAME]);
      // Usually no user is logged in any more.
      spawnSync('loginctl', ['terminate-user', NAME]);
      await eventually(() => expect(existsSync(`/run/user/${uid}`)).to.equal(false));
    }
    expect(await readdir(`${HOME}/.local/share/caisson/containers`)).to.deep.equal([]);
    await run('userdel', ['--remove', NAME]);
    await rm(`/tmp/caisson-${uid}`, { recursive: true, force: true });
  });

  function command(manner: Manner, args: readonly string[]): [string, string[]] {
    const all = [process.execPath, ...args];
    if (manner === 'root') return ['env', all];
    if (manner === 'logged in')
      return ['runuser', ['-l', NAME, '-c', all.map((word) => `'${word}'`).join(' ')]];
    const ids = ['--reuid', String(uid), '--regid', String(uid), '--clear-groups'];
    const environment = [`PATH=${process.env['PATH']}`, `HOME=${HOME}`, `USER=${NAME}`];
    const command = [...ids, 'env', '-i', '-C', HOME, ...environment, ...all];
    if (manner === 'alone') return ['setpriv', command];
    const properties = FILTER.flatMap((property) => ['-p', property]);
    return ['systemd-run', ['--quiet', '--pipe', '--wait', ...properties, 'setpriv', ...command]];
  }

  /** What comes of a container of that user. */
  async function attempt(manner: Manner, options: RunOptions = {}): Promise<Attempt> {
    const args = [fixture('attempt'), JSON.stringify(options)];
    const { stdout } = await run(...command(manner, args));
    return JSON.parse(stdout) as Attempt;
  }

  async function succeeds(manner: Manner, options: RunOptions, expected: RegExp) {
    const came = await attempt(manner, options);
    expect(came.stdout, JSON.stringify(came)).to.match(expected);
    return came;
  }

  describe('switches', () => {
    const SWITCHES = [
      ['user.max_user_namespaces', '0'],
      ['kernel.unprivileged_userns_clone', '0'],
      ['kernel.apparmor_restrict_unprivileged_userns', '1'],
    ] as const;
    const fileOf = (name: string) => `/proc/sys/${name.replaceAll('.', '/')}`;

    async function turned(name: string, value: string, test: () => Promise<void>): Promise<void> {
      const before = await readFile(fileOf(name), 'utf8');
      await writeFile(fileOf(name), value);
      try {
        await test();
      } finally {
        await writeFile(fileOf(name), before);
      }
    }

    for (const [name, value] of SWITCHES) {
      const there = existsSync(fileOf(name));
      const kernel = there ? { it } : skipping(`this kernel has no switch ${name}`);
      kernel.it(`The remedy works with ${name}=${value}`, () =>
        turned(name, value, async () => {
          const refused = await attempt('alone');
          expect(refused.code, JSON.stringify(refused)).to.equal('ERR_NO_PRIVILEGES');
          expect(refused.message).to.include(`${name} forbids it`);
          const remedy = remedyIn(refused.hint, /^as root: (sysctl \S+=\d+)/);
          expect(refused.missing['user-namespaces'])
            .to.include(`${name} is ${value}, which forbids them`)
            .and.include(remedy);
          await root(remedy);
          const came = await succeeds('alone', {}, /^0\n/);
          expect(came.missing).not.to.have.property('user-namespaces');
        }),
      );
    }

    it('The remedy works for root with user.max_user_namespaces=0', () =>
      turned('user.max_user_namespaces', '0', async () => {
        const refused = await attempt('root');
        expect(refused.hint, JSON.stringify(refused)).to.include('user.max_user_namespaces is 0');
        await succeeds('root', { userns: 'host' }, /^0\n/);
        await root(remedyIn(refused.hint, /(sysctl \S+=\d+)/));
        await succeeds('root', {}, /^0\n/);
      }));

    it('The remedy works when all user namespaces that a user may have are in use', async () => {
      const caisson = async (...args: string[]) =>
        (await run(...command('alone', [`${repository}/bin/caisson`, ...args]))).stdout.trim();
      const id = await caisson('run', '-d', '--network', 'none', 'host', 'sleep', '1000');
      try {
        await turned('user.max_user_namespaces', '1', async () => {
          const refused = await attempt('alone');
          expect(refused.code, JSON.stringify(refused)).to.equal('ERR_NO_PRIVILEGES');
          expect(refused.message).to.include('in use (user.max_user_namespaces is 1)');
          const remedy = remedyIn(refused.hint, /^as root: (sysctl \S+=\d+)$/);
          expect(refused.missing['user-namespaces']).to.include('in use').and.include(remedy);
          await root(remedy);
          await succeeds('alone', {}, /^0\n/);
        });
      } finally {
        await caisson('rm', '-f', id);
      }
    });
  });

  describe('users', () => {
    const AS_33 = { user: '33' };

    it('The remedy works for a user without subordinate ids', async () => {
      const refused = await attempt('alone', AS_33);
      expect(refused.message, JSON.stringify(refused)).to.include('/etc/subuid has no range');
      const remedy = remedyIn(refused.hint, /^as root: (usermod .*)$/);
      expect(refused.missing['subordinate-ids']).to.include(remedy);
      await root(remedy);
      const came = await succeeds('alone', AS_33, /^33\n/);
      expect(came.missing).not.to.have.property('subordinate-ids');
      // Nor has the user been given those of another.
      for (const file of ['/etc/subuid', '/etc/subgid']) {
        const lines = (await readFile(file, 'utf8')).trim().split('\n');
        const firsts = lines.map((line) => Number(line.split(':')[1])).sort((a, b) => a - b);
        for (const [i, first] of firsts.entries())
          expect(first - (firsts[i - 1] ?? 0), lines.join(' ')).to.be.at.least(65_536);
      }
    });

    it('The remedy works for a user with too few subordinate ids', async () => {
      const ids = remedyIn(
        await readFile('/etc/subgid', 'utf8'),
        new RegExp(`^${NAME}:(\\d+):`, 'm'),
      );
      await run('usermod', ['--del-subgids', `${ids}-${Number(ids) + 65_535}`, NAME]);
      const refused = await attempt('alone', AS_33);
      expect(refused.message, JSON.stringify(refused)).to.include('/etc/subgid has no range');
      const remedy = remedyIn(refused.hint, /as root: (usermod .*)$/);
      expect(refused.missing['subordinate-ids']).to.include(remedy);
      await root(remedy);
      await succeeds('alone', AS_33, /^33\n/);
    });

    it('The remedy works for a machine without the helpers', async () => {
      const path = '/usr/bin/newuidmap';
      await rename(path, `${path}.away`);
      try {
        const refused = await attempt('alone', AS_33);
        expect(refused.message, JSON.stringify(refused)).to.include('newuidmap is not installed');
        const named = remedyIn(refused.hint, /install the package (\S+)/);
        expect(remedyIn(refused.missing['subordinate-ids'], /apt install (\S+)/)).to.equal(named);
        expect(execFileSync('dpkg', ['--listfiles', named], { encoding: 'utf8' }).split('\n'))
          .to.include(path)
          .and.include('/usr/bin/newgidmap');
      } finally {
        await rename(`${path}.away`, path);
      }
      await succeeds('alone', AS_33, /^33\n/);
    });

    it('The remedy works for a helper that is not set-user-id', async () => {
      const path = '/usr/bin/newgidmap';
      const { mode } = await stat(path);
      try {
        await run('chmod', ['u-s', path]);
        const refused = await attempt('alone', AS_33);
        expect(refused.code, JSON.stringify(refused)).to.equal('ERR_NO_PRIVILEGES');
        const remedy = remedyIn(refused.hint, /as root: (chmod .*)$/);
        expect(refused.missing['subordinate-ids']).to.include(remedy);
        await root(remedy);
        await succeeds('alone', AS_33, /^33\n/);
      } finally {
        await run('chmod', [(mode & 0o7777).toString(8), path]);
      }
    });
  });

  describe('filters', () => {
    const units = systemd === undefined ? { it } : skipping(systemd);
    units.it('An error names a filter that refuses a call', async () => {
      const refused = await attempt('filtered');
      expect(refused.code, JSON.stringify(refused)).to.equal('ERR_NO_PRIVILEGES');
      expect(refused.hint).to.include('refuses sethostname').and.include('a filter that allows');
      await succeeds('alone', {}, /^0\n/);
    });
  });

  describe('cgroups', () => {
    if (systemd !== undefined) {
      skipping(systemd).it('The remedies are those of a session');
      return;
    }
    const LIMITED: RunOptions = { memory: '64m' };
    const HAS_IT = /^0\n67108864\n/;

    it('The remedy works for a user without a session', async () => {
      const refused = await attempt('alone', LIMITED);
      expect(refused.code, JSON.stringify(refused)).to.equal('ERR_CGROUP_CONTROLLER_MISSING');
      const remedy = remedyIn(refused.hint, /log in, rather than su; .*as root: (loginctl .*)$/);
      expect(refused.missing['cgroups']).to.include(remedy);
      // The one remedy …
      await succeeds('logged in', LIMITED, HAS_IT);
      // … and the other.
      await root(remedy);
      await eventually(() => expect(existsSync(`/run/user/${uid}/bus`)).to.equal(true));
      const came = await succeeds('alone', LIMITED, HAS_IT);
      expect(came.missing).not.to.have.property('cgroups');
    });

    it('The remedy works for a session without a bus', async () => {
      const shell = (script: string) => run('runuser', ['-l', NAME, '-c', script]);
      await shell('systemctl --user stop dbus.socket dbus.service; rm -f /run/user/$(id -u)/bus');
      const refused = await attempt('logged in', LIMITED);
      const named = remedyIn(
        refused.hint,
        /install the package (\S+), then: systemctl --user start/,
      );
      expect(execFileSync('dpkg', ['--listfiles', named], { encoding: 'utf8' })).to.include(
        '/systemd/user/dbus.socket\n',
      );
      const remedy = remedyIn(refused.hint, /then: (systemctl --user .*)$/);
      await shell(remedy);
      await succeeds('logged in', LIMITED, HAS_IT);
    });

    it('The remedy works for a session with too little delegated to it', async () => {
      const less = `${DROP_INS}/00-less.conf`;
      const aside = `${DROP_INS}.aside`;
      await rename(DROP_INS, aside);
      try {
        await mkdir(DROP_INS);
        // As systemd had it before 251: user@.service(5). Memory is there by systemd's own accounting.
        await writeFile(less, '[Service]\nDelegate=\nDelegate=pids memory\n');
        await root(`systemctl daemon-reload; systemctl restart user@${uid}`);
        for (const [options, flag, controller] of [
          [{ cpus: 0.5 }, '--cpus', 'cpu'],
          [{ cpusetCpus: '0' }, '--cpuset-cpus', 'cpuset'],
        ] as const) {
          const refused = await attempt('logged in', options);
          expect(refused.code, JSON.stringify(refused)).to.equal('ERR_CGROUP_CONTROLLER_MISSING');
          expect(refused.message).to.include(flag);
          expect(refused.hint).to.include('not delegated to the systemd of this user');
          expect(refused.missing[`controller ${controller}`]).to.include('Delegate=');
        }
        const { hint } = await attempt('logged in', { cpus: 0.5 });
        await root(remedyIn(hint, /as root: (mkdir .*; systemctl daemon-reload); then/));
        await root(remedyIn(hint, /: (systemctl restart user@\d+)$/));
        const all = { ...LIMITED, cpus: 0.5, cpusetCpus: '0' };
        const came = await succeeds('logged in', all, /^0\n67108864\n0\n$/);
        for (const name of ['cpu', 'cpuset', 'io', 'memory', 'pids'])
          expect(came.missing).not.to.have.property(`controller ${name}`);
      } finally {
        await rm(DROP_INS, { recursive: true, force: true });
        await rename(aside, DROP_INS);
        await root(`systemctl daemon-reload; systemctl restart user@${uid}`);
      }
    });
  });
});
