/** Namespaces that a container shares with the host or with another container, looked at from inside and from outside. */
import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { open, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { ErrorCode } from '../../lib/base/errors.js';
import type { Container } from '../../lib/engine/container/container.js';
import { FIRST_CONTAINER_ID, ID_RANGE_SIZE } from '../../lib/engine/options/config.js';
import type { CreateOptions } from '../../lib/engine/options/create-options.js';
import type { RunOptions } from '../../lib/engine/options/options.js';
import { DetachedContainers, logOf, refused, untilLogged } from '../support/detached.js';
import { needsCgroups, needsRoot } from '../support/needs.js';
import { eventually, NAMESPACES, namespacesOf, processesOf } from '../support/outside.js';
import { SPY } from '../support/spy.js';
import { Workshop } from '../support/workshop.js';

const cgroups = needsCgroups();
const root = needsRoot('files of another user, and containers that join each other');

/** So many places to look for a program take time in which it is about to be started. */
const LONG_PATH = `${Array.from({ length: 400 }, (_, n) => `/none/${n}`).join(':')}:/usr/bin:/bin`;

describe('shared namespaces', () => {
  let shop: Workshop;
  let containers: DetachedContainers;

  before(async () => {
    shop = await Workshop.open();
    containers = new DetachedContainers(shop.engine, shop.busybox, shop.directory);
  });

  afterEach(() => containers.cleanUp());

  after(() => shop.close());

  const inside = async (name: string, options: RunOptions) =>
    shop.sh(`readlink /proc/self/ns/${name}`, options);

  describe('with the host', () => {
    cgroups.it(
      'The namespaces that were asked for are those of the host, and no others',
      async () => {
        const here = await namespacesOf('self');
        const table: readonly (readonly [RunOptions, string])[] = [
          [{ pid: 'host' }, 'pid'],
          [{ ipc: 'host' }, 'ipc'],
          [{ uts: 'host' }, 'uts'],
          [{ cgroupns: 'host' }, 'cgroup'],
        ];
        for (const [options, shared] of table)
          for (const userns of ['auto', 'host'] as const) {
            const all = await shop.sh(
              'for n in mnt uts ipc pid net user cgroup; do readlink /proc/self/ns/$n; done',
              { ...options, userns },
            );
            for (const line of all.split('\n')) {
              const [name = ''] = line.split(':');
              const isHost = name === shared || (name === 'user' && userns === 'host');
              expect(line === here[name], `${line} with ${JSON.stringify(options)}`).to.equal(
                isHost,
              );
            }
          }
      },
    );

    cgroups.it(
      'A container with the pid namespace of the host sees its processes, and may not end them',
      async () => {
        const text = await shop.sh(
          `cat /proc/${process.pid}/comm; kill -0 ${process.pid} 2>&1; readlink /proc/${process.pid}/root 2>&1; ` +
            'cat /proc/1/environ 2>&1; (echo x >/proc/sys/kernel/hostname) 2>&1; cat /proc/kcore | head -c1',
          { pid: 'host' },
        );
        const comm = readFileSync(`/proc/${process.pid}/comm`, 'utf8').trim();
        expect(text.split('\n')[0]).to.equal(comm);
        expect(text).to.match(/not permitted/);
        expect(text.split('\n').at(-1)).to.match(/Read-only file system/);
      },
    );

    cgroups.it(
      'What a program leaves running in the pid namespace of the host ends with it',
      async () => {
        const run = await shop.engine.run(
          shop.busybox,
          ['sh', '-c', 'sleep 1000 & setsid sleep 1000 & echo $!; exit 3'],
          { pid: 'host' },
        );
        expect(run.exitCode).to.equal(3);
        await eventually(async () => expect(await processesOf(run.id)).to.deep.equal([]));
        const pid = Number(run.stdout);
        await eventually(() => expect(() => process.kill(pid, 0)).to.throw(/ESRCH/));
      },
    );

    cgroups.it(
      'A detached container in the pid namespace of the host ends with its program, is killed and restarted',
      async () => {
        const container = await containers.start(
          'setsid sleep 1000 & echo $! >/pid; while :; do sleep 0.05; test ! -e /end || exit 7; done',
          { pid: 'host' },
        );
        const { pid } = (await container.inspect()).state;
        expect((await namespacesOf(pid))['pid']).to.equal((await namespacesOf('self'))['pid']);
        await eventually(async () =>
          expect((await processesOf(container.id)).length).to.be.above(1),
        );
        // A further program has the same namespaces, and the id of a process is the host's.
        const { stdout } = await container.exec([
          'sh',
          '-c',
          'echo $$; readlink /proc/self/ns/pid',
        ]);
        expect(Number(stdout.split('\n')[0])).to.be.above(1);
        expect(stdout.split('\n')[1]).to.equal(await readlink('/proc/self/ns/pid'));
        await container.kill();
        await container.wait();
        await containers.expectQuiet(container);
        expect((await container.inspect()).state.exitCode).to.equal(137);
        await container.start();
        await container.exec(['touch', '/end']);
        expect((await container.wait()).exitCode).to.equal(7);
        await containers.expectQuiet(container);
      },
    );

    it("A container with the host's UTS namespace has its name, and cannot change it", async () => {
      const before = hostname();
      const text = await shop.sh('hostname; cat /etc/hostname; hostname other 2>&1; hostname', {
        uts: 'host',
      });
      const [first, file, , last] = text.split('\n');
      expect([first, file, last]).to.deep.equal([before, before, before]);
      expect(hostname()).to.equal(before);
    });

    root.it("A container with the host's IPC namespace has its shared memory", async () => {
      const directory = mkdtempSync('/dev/shm/caisson-test-');
      try {
        writeFileSync(join(directory, 'file'), 'shared');
        const there = await shop.sh(`cat ${directory}/file`, { ipc: 'host', userns: 'host' });
        expect(there).to.equal('shared');
        const own = await shop.sh('ls /dev/shm | wc -l; touch /dev/shm/mine', {});
        expect(own).to.equal('0');
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    });

    it('A container without shared memory has no /dev/shm', async () => {
      expect(await shop.sh('test -e /dev/shm || echo none', { ipc: 'none' })).to.equal('none');
      expect(await inside('ipc', { ipc: 'none' })).not.to.equal(
        await readlink('/proc/self/ns/ipc'),
      );
    });

    cgroups.it(
      "A container with the host's cgroup namespace sees the whole path of its cgroup",
      async () => {
        const text = await shop.sh('cat /proc/self/cgroup', { cgroupns: 'host' });
        expect(text).to.match(/[0-9a-f]{64}/);
        expect(await shop.sh('cat /proc/self/cgroup')).not.to.match(/[0-9a-f]{64}/);
      },
    );
  });

  describe('with another container', () => {
    const SLEEP = 'while :; do sleep 0.05; done';

    /** Serves a file of its shared memory on its loopback interface. */
    const serve = (options: CreateOptions = {}) =>
      containers.start(
        'echo shared >/dev/shm/file; touch /dev/mqueue/queue; httpd -p 127.0.0.1:8099 -h /dev/shm; ' +
          SLEEP,
        { ipc: 'shareable', hostname: 'other', domainname: 'example', ...options },
      );

    const join = ({ id }: Container, ...names: readonly ('network' | 'pid' | 'ipc' | 'userns')[]) =>
      Object.fromEntries(names.map((name) => [name, `container:${id}`])) as RunOptions;

    const pidOf = async (container: Container) => (await container.inspect()).state.pid;

    /** Whether another container could be given its range of ids. */
    const canClaim = async (base: number) => {
      const file = await open(shop.path('run/ids'), 'a+');
      try {
        return shop.context.binding.lockByte(file.fd, (base - FIRST_CONTAINER_ID) / ID_RANGE_SIZE);
      } finally {
        await file.close();
      }
    };

    root.it(
      'A container that joins has the namespaces that it names, the users of the other, and nothing else of it',
      async () => {
        const other = await serve();
        const there = await namespacesOf(await pidOf(other));
        const table = [
          ['network'],
          ['pid'],
          ['ipc'],
          ['userns'],
          ['network', 'pid', 'ipc'],
        ] as const;
        for (const names of table) {
          const container = await containers.start(SLEEP, join(other, ...names));
          const pid = await pidOf(container);
          const here = await namespacesOf(pid);
          const shared = new Set<string>(['user']);
          for (const name of names) shared.add(name === 'network' ? 'net' : name);
          for (const name of NAMESPACES)
            expect(here[name] === there[name], `${name} of ${names.join()}`).to.equal(
              shared.has(name),
            );
          expect(readFileSync(`/proc/${pid}/uid_map`, 'utf8')).to.equal(
            readFileSync(`/proc/${await pidOf(other)}/uid_map`, 'utf8'),
          );
          const look =
            'for n in net pid ipc user; do readlink /proc/self/ns/$n; done; cat /x; hostname';
          await container.exec(['sh', '-c', 'echo mine >/x']);
          const { stdout } = await container.exec(['sh', '-c', look]);
          expect(stdout.split('\n').slice(0, 5)).to.deep.equal([
            ...['net', 'pid', 'ipc', 'user'].map((name) => here[name]),
            'mine',
          ]);
          expect((await other.exec(['cat', '/x'])).exitCode).to.equal(1);
          await container.remove({ force: true });
          await containers.expectGone(container);
        }
        expect((await other.inspect()).status).to.equal('running');
      },
    );

    root.it(
      'A service of the other container, its memory, its queues and its processes are there',
      async () => {
        const other = await serve({ addHost: ['db:10.0.0.7'], dns: ['10.0.0.9'] });
        await other.exec(['sh', '-c', 'echo 10.0.0.8 later >>/etc/hosts']);
        await eventually(async () =>
          expect(
            await shop.sh('wget -qO- http://127.0.0.1:8099/file', join(other, 'network')),
          ).to.equal('shared'),
        );
        const names = await shop.sh(
          'hostname; cat /proc/sys/kernel/domainname /etc/hostname; echo $HOSTNAME; cat /etc/hosts /etc/resolv.conf; ls /sys/class/net',
          join(other, 'network'),
        );
        expect(names.split('\n').slice(0, 4)).to.deep.equal(['other', 'example', 'other', 'other']);
        expect(names).to.match(/10\.0\.0\.7\tdb/);
        expect(names).to.match(/10\.0\.0\.8 later/);
        expect(names).to.match(/nameserver 10\.0\.0\.9/);
        expect(
          await shop.sh(
            'cat /dev/shm/file; ls /dev/mqueue; echo back >/dev/shm/reply; grep /dev/shm /proc/mounts',
            join(other, 'ipc'),
          ),
        ).to.match(/^shared\nqueue\n\S+ \/dev\/shm tmpfs rw,nosuid,nodev,noexec/);
        expect((await other.exec(['cat', '/dev/shm/reply'])).stdout).to.equal('back\n');
        const processes = await shop.sh(
          'cat /proc/[0-9]*/cmdline | tr "\\0" " "; kill -0 1',
          join(other, 'pid'),
        );
        expect(processes).to.match(/httpd/);
      },
    );

    root.it(
      'What a container leaves running in the pid namespace of another one ends with it, and nothing of the other does',
      async () => {
        const other = await serve();
        const before = await processesOf(other.id);
        const run = await shop.engine.run(
          shop.busybox,
          ['sh', '-c', 'setsid sleep 1000 & sleep 1000 & exit 5'],
          join(other, 'pid'),
        );
        expect(run.exitCode).to.equal(5);
        await eventually(async () => expect(await processesOf(run.id)).to.deep.equal([]));
        const container = await containers.start(
          'setsid sleep 1000 & ' + SLEEP,
          join(other, 'pid'),
        );
        await container.kill();
        await container.wait();
        await containers.expectQuiet(container);
        expect((await container.inspect()).state.exitCode).to.equal(137);
        expect(await processesOf(other.id)).to.include.members(before.slice(0, 1));
        expect((await other.inspect()).status).to.equal('running');
      },
    );

    root.it(
      'With the end of the other container, those in its pid namespace are killed, and others keep what they have joined',
      async () => {
        const other = await serve();
        const [inPids, inNetwork] = await Promise.all([
          containers.start(SLEEP, join(other, 'pid')),
          containers.start(SLEEP, join(other, 'network', 'ipc')),
        ]);
        const { idBase, pid } = (await other.inspect()).state;
        const network = (await namespacesOf(await pidOf(inNetwork)))['net'];
        process.kill(pid, 'SIGKILL');
        expect((await other.wait()).exitCode).to.equal(137);
        expect((await inPids.wait()).exitCode).to.equal(137);
        await containers.expectQuiet(other);
        expect((await inNetwork.inspect()).status).to.equal('running');
        const { stdout } = await inNetwork.exec([
          'sh',
          '-c',
          'readlink /proc/self/ns/net; cat /dev/shm/file',
        ]);
        expect(stdout).to.equal(`${network}\nshared\n`);
        // Its ids are those of no other container, as long as it lives.
        expect(await canClaim(idBase), 'claimed while it is in use').to.equal(false);
        const error = await refused(inPids.start(), 'ERR_CONTAINER_NOT_RUNNING');
        expect(error.message).to.match(
          /pid: cannot join the pid namespace of container .*: it is not running/,
        );
        await inNetwork.remove({ force: true });
        await eventually(async () => expect(await canClaim(idBase)).to.equal(true));
      },
    );

    root.it(
      'A container joins anew when it is started again, and its names are stored as ids',
      async () => {
        const other = await serve({ name: 'shared-other' });
        const container = await containers.start(SLEEP, { network: 'container:shared-other' });
        expect((await container.inspect()).config.options.network).to.equal(
          `container:${other.id}`,
        );
        await other.rename('shared-renamed');
        await other.restart({ timeout: 0 });
        const now = (await namespacesOf(await pidOf(other)))['net'];
        expect((await namespacesOf(await pidOf(container)))['net']).not.to.equal(now);
        await container.restart({ timeout: 0 });
        expect((await namespacesOf(await pidOf(container)))['net']).to.equal(now);
      },
    );

    root.it(
      'A restart by the policy joins the other container as long as it runs, and fails when it has ended',
      async () => {
        const other = await serve();
        const container = await containers.start('sleep 0.3; exit 1', {
          ...join(other, 'network', 'ipc'),
          restart: 'always',
        });
        await eventually(async () =>
          expect((await container.inspect()).state.restartCount).to.be.above(1),
        );
        await other.kill();
        await other.wait();
        const { state } = await eventually(async () => {
          const found = await container.inspect();
          expect(found.status).to.equal('exited');
          return found;
        });
        expect(state.error).to.match(/pidfd_open/);
        await containers.expectQuiet(container);
      },
    );

    root.it(
      'Containers with the users of the host join each other, and a privileged one joins any',
      async () => {
        const other = await serve({ userns: 'host' });
        const error = await refused(
          shop.engine.run(shop.busybox, ['true'], join(other, 'network')),
          'ERR_CONFLICTING_OPTIONS',
        );
        expect(error.hint).to.match(/userns "host"/);
        const look = 'cat /dev/shm/file; readlink /proc/self/ns/user';
        const options = { ...join(other, 'network', 'pid', 'ipc'), userns: 'host' } as const;
        expect(await shop.sh(look, options)).to.equal(
          `shared\n${await readlink('/proc/self/ns/user')}`,
        );
        const own = await serve();
        const all = { ...join(own, 'network', 'pid', 'ipc'), privileged: true };
        const seen = await shop.sh(
          `${look}; readlink /proc/self/ns/pid; readlink /proc/1/root`,
          all,
        );
        const there = await namespacesOf(await pidOf(own));
        expect(seen.split('\n')).to.deep.equal([
          'shared',
          await readlink('/proc/self/ns/user'),
          there['pid'],
          '/',
        ]);
      },
    );

    root.it('What cannot be joined is refused before anything is made', async () => {
      const other = await serve({ name: 'shared-donor' });
      const [own, stopped, ofHost] = await Promise.all([
        serve({ ipc: 'private' }),
        containers.create(SLEEP),
        serve({ network: 'host', pid: 'host', ipc: 'host', hostname: '', domainname: '' }),
      ]);
      const hidden = await serve({ tmpfs: ['/dev/shm'] });
      const table: readonly (readonly [RunOptions, ErrorCode, RegExp])[] = [
        [{ network: 'container:nope' }, 'ERR_NO_SUCH_CONTAINER', /nope/],
        [{ pid: 'container:nope' }, 'ERR_NO_SUCH_CONTAINER', /nope/],
        [join(stopped, 'network'), 'ERR_CONTAINER_NOT_RUNNING', /network .*not running/],
        [join(stopped, 'userns'), 'ERR_CONTAINER_NOT_RUNNING', /user namespace .*not running/],
        [join(own, 'ipc'), 'ERR_CONFLICTING_OPTIONS', /non-shareable IPC/],
        [join(hidden, 'ipc'), 'ERR_CONFLICTING_OPTIONS', /non-shareable IPC/],
        [join(ofHost, 'network'), 'ERR_CONFLICTING_OPTIONS', /namespace of "host"/],
        [join(ofHost, 'pid'), 'ERR_CONFLICTING_OPTIONS', /namespace of "host"/],
        [join(ofHost, 'ipc'), 'ERR_CONFLICTING_OPTIONS', /namespace of "host"/],
        [
          { ...join(other, 'network'), ...join(own, 'pid') },
          'ERR_CONFLICTING_OPTIONS',
          /different user namespaces/,
        ],
        [
          { ...join(other, 'network'), hostname: 'x' },
          'ERR_CONFLICTING_OPTIONS',
          /^hostname: network "container:…" excludes it/,
        ],
      ];
      const there = readdirSync(shop.path('data/containers')).sort();
      for (const [options, code, text] of table) {
        const error = await refused(shop.engine.run(shop.busybox, ['true'], options), code);
        expect(error.message).to.match(text);
      }
      for (const [options, code, text] of table) {
        if (code === 'ERR_CONTAINER_NOT_RUNNING' || text.source.includes('different')) continue;
        await refused(shop.engine.create(shop.busybox, ['true'], options), code);
      }
      expect(readdirSync(shop.path('data/containers')).sort()).to.deep.equal(there);
      const later = await containers.create(SLEEP, join(stopped, 'network'));
      await refused(later.start(), 'ERR_CONTAINER_NOT_RUNNING');
      await stopped.start();
      await later.start();
      // A container that is renamed does not become the one that it joins.
      const itself = await containers.create(SLEEP, { network: 'container:shared-donor' });
      await itself.start();
    });

    root.it(
      'A process of the other container that may trace sees nothing of one that is being started',
      async function () {
        this.timeout(120_000);
        const spy = await containers.start(['perl', '-e', SPY], { capAdd: ['SYS_PTRACE'] }, 'host');
        await untilLogged(spy, 'ready');
        for (let round = 0; round < 60; round++) {
          const run = await shop.engine.run(shop.busybox, ['true'], {
            ...join(spy, 'pid', 'network'),
            env: { PATH: LONG_PATH },
            tty: round % 2 === 0,
          });
          expect(run.exitCode).to.equal(0);
          if (round > 20 && (await logOf(spy)).includes('seen')) break;
        }
        await spy.exec(['touch', '/tmp/stop']);
        await spy.wait();
        const lines = (await logOf(spy)).trimEnd().split('\n');
        expect(lines).to.deep.equal(['ready', 'seen']);
      },
    );

    root.it(
      'A container in the pid namespace of another one can neither trace its init nor read anything of it',
      async () => {
        const other = await serve({ init: true });
        const text = await shop.sh(
          'for f in environ maps mem; do head -c 1 /proc/1/$f 2>&1; done; ls /proc/1/fd/ 2>&1; readlink /proc/1/root /proc/1/exe; true',
          join(other, 'pid'),
        );
        expect(text.match(/ermission denied/g)).to.have.length(3);
        expect(text).not.to.match(/memfd|caisson/);
      },
    );
  });

  describe('with a file', () => {
    root.it(
      'A container has the network namespace of a file, with its own users or those of the host',
      async () => {
        const holder = spawn('unshare', ['--net', 'sleep', '1000'], { stdio: 'ignore' });
        try {
          const here = await readlink('/proc/self/ns/net');
          const path = `/proc/${holder.pid}/ns/net`;
          const there = await eventually(async () => {
            const found = await readlink(path);
            expect(found).not.to.equal(here);
            return found;
          });
          for (const userns of ['auto', 'host'] as const)
            expect(await inside('net', { network: `ns:${path}`, userns })).to.equal(there);
          const container = await containers.start('sleep 1000', { network: `ns:${path}` });
          expect((await namespacesOf((await container.inspect()).state.pid))['net']).to.equal(
            there,
          );
          const { stdout } = await container.exec(['readlink', '/proc/self/ns/net']);
          expect(stdout.trim()).to.equal(there);
          // The thread that has started it is where it was.
          expect(await inside('net', { network: 'host' })).to.equal(here);
          const table: readonly (readonly [string, ErrorCode, RegExp])[] = [
            ['/no/such/file', 'ERR_NO_SUCH_SOURCE', /cannot be opened/],
            ['/etc/passwd', 'ERR_INVALID_OPTION', /is not a namespace/],
            ['/proc/self/ns/ipc', 'ERR_INVALID_OPTION', /another kind: ipc/],
          ];
          for (const [file, code, text] of table) {
            const run = shop.engine.run(shop.busybox, ['true'], { network: `ns:${file}` });
            expect((await refused(run, code)).message).to.match(text);
          }
        } finally {
          holder.kill('SIGKILL');
        }
      },
    );
  });
});
