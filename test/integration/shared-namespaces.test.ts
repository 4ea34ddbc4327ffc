/** Namespaces that a container shares with the host or with another container, looked at from inside and from outside. */
import { expect } from 'chai';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { readlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunOptions } from '../../lib/engine/options/options.js';
import { DetachedContainers } from '../support/detached.js';
import { needsCgroups, needsRoot } from '../support/needs.js';
import { eventually, namespacesOf, processesOf } from '../support/outside.js';
import { Workshop } from '../support/workshop.js';

const cgroups = needsCgroups();
const root = needsRoot('files of another user');

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
});
