import { readdir, readFile, readlink } from 'node:fs/promises';
import { expect } from 'chai';
import { isRoot, needsCgroups, needsRoot } from '../support/needs.js';
import {
  ancestorsOf,
  exists,
  NAMESPACES,
  namespacesOf,
  processesOf,
  statusOf,
} from '../support/outside.js';
import { Workshop } from '../support/workshop.js';

const hostUsers = needsRoot('the host’s ids');
const cgroups = needsCgroups();

describe('isolation', () => {
  let shop: Workshop;

  before(async () => {
    shop = await Workshop.open();
  });

  after(() => shop.close());

  describe('the name', () => {
    it('The name is the short id: 12 hex digits, not all decimal', async () => {
      const run = shop.engine.run(shop.busybox, ['hostname']);
      const { stdout, id } = await run;
      expect(stdout).to.match(/^[0-9a-f]{12}\n$/);
      expect(stdout).not.to.match(/^[0-9]{12}\n$/);
      expect(id).to.match(/^[0-9a-f]{64}$/);
      expect(id).to.equal(run.id);
      expect(id.startsWith(stdout.trim())).to.equal(true);
    });

    it('The name is the one that was asked for', async () => {
      const before = await readFile('/proc/sys/kernel/hostname', 'utf8');
      const inside = await shop.sh(
        'hostname; cat /etc/hostname; echo $HOSTNAME; cat /proc/sys/kernel/domainname',
        { hostname: 'box', domainname: 'example.test' },
      );
      expect(inside).to.equal('box\nbox\nbox\nexample.test');
      expect(await readFile('/proc/sys/kernel/hostname', 'utf8')).to.equal(before);
    });
  });

  describe('namespaces', () => {
    const inside = async (options = {}) => {
      const text = await shop.sh(
        `for n in ${NAMESPACES.join(' ')}; do echo $n $(readlink /proc/self/ns/$n); done`,
        options,
      );
      return Object.fromEntries(text.split('\n').map((line) => line.split(' '))) as Record<
        string,
        string
      >;
    };

    it('All seven namespaces of a container are its own', async () => {
      const [there, here] = await Promise.all([inside(), namespacesOf('self')]);
      for (const name of NAMESPACES) {
        expect(there[name]).to.match(new RegExp(`^${name}:\\[\\d+\\]$`));
        expect(there[name], name).not.to.equal(here[name]);
      }
    });

    it('Namespaces differ between containers', async () => {
      // Both at once: the number of one that is gone may be given to another.
      await using one = await shop.session();
      await using other = await shop.session();
      const [first, second] = await Promise.all(
        [one, other].map(async (box) => namespacesOf(await box.pid(2))),
      );
      for (const name of NAMESPACES) expect(first![name], name).not.to.equal(second![name]);
    });

    it('Namespaces are the host’s where that was asked for', async () => {
      const here = await namespacesOf('self');
      const users = await inside({ userns: 'host' });
      const network = await inside({ network: 'host' });
      const both = await inside({ network: 'host', userns: 'host' });
      for (const name of NAMESPACES) {
        const same = isRoot && name === 'user';
        expect(users[name] === here[name], `userns, ${name}`).to.equal(same);
        expect(network[name] === here[name], `network, ${name}`).to.equal(name === 'net');
        expect(both[name] === here[name], `both, ${name}`).to.equal(same || name === 'net');
      }
    });
  });

  for (const userns of ['auto', 'host'] as const) {
    describe(`with userns "${userns}"`, () => {
      it('A container shows only its own processes', async () => {
        const list = await shop.sh('ps -o pid,comm; ls -d /proc/[0-9]*', { userns });
        const commands = [...list.matchAll(/^ *\d+ +(\S+)$/gm)].map(([, command]) => command);
        expect(commands.sort()).to.deep.equal(['caisson-init', 'ps', 'sh']);
        const pids = [...list.matchAll(/^\/proc\/(\d+)$/gm)].map(([, pid]) => Number(pid));
        // The shell has looked before it made `ls`.
        expect(pids).to.deep.equal([1, 2]);
      });

      it('The first process of a container is pid 1, which is another one outside, below this process', async () => {
        await using box = await shop.session({ userns });
        const pid = await box.pid(1);
        expect(pid).not.to.equal(1);
        expect((await statusOf(pid))['NSpid']).to.equal(`${pid}\t1`);
        // A rootless one is below its supervisor, whose parent is the machine’s init.
        if (isRoot) expect(await ancestorsOf(pid)).to.include(process.pid);
        // And everything else of it is below that.
        const others = (await processesOf(box.id)).filter((member) => member !== pid);
        expect(others.length).to.be.greaterThan(0);
        for (const other of others) expect(await ancestorsOf(other)).to.include(pid);
      });

      it('A container keeps users, files and IPC objects to itself', async () => {
        await using box = await shop.session({ userns }, 'host');
        const name = `u${box.id.slice(0, 12)}`;
        await box.sh(`useradd -M ${name}`);
        expect(await box.sh(`id -un ${name}`)).to.equal(name);
        expect(await readFile('/etc/passwd', 'utf8')).not.to.include(name);

        const writable = isRoot ? ['/usr/bin'] : [];
        const files = ['/etc', ...writable, '/tmp', '/var/tmp', '/run', '/root', '/dev', '/'].map(
          (directory) => `${directory}/${name}`.replace('//', '/'),
        );
        await box.sh(`for f in ${files.join(' ')}; do echo x > $f || exit 1; done`);
        for (const file of files) expect(await exists(file), file).to.equal(false);

        const created = await box.sh('ipcmk -M 4099 && ipcmk -Q && ipcmk -S 1');
        expect(created.split('\n').length).to.equal(3);
        expect(await box.sh('cat /proc/sysvipc/shm')).to.match(/ 4099 /);
        expect(await readFile('/proc/sysvipc/shm', 'utf8')).not.to.match(/ 4099 /);
        const lines = async (kind: string, text?: string) =>
          (text ?? (await readFile(`/proc/sysvipc/${kind}`, 'utf8')))
            .trimEnd()
            .split('\n')
            .slice(1);
        for (const kind of ['msg', 'sem']) {
          const [mine] = await lines(kind, await box.sh(`cat /proc/sysvipc/${kind}`));
          const key = mine!.trim().split(/\s+/)[0];
          expect((await lines(kind)).some((line) => line.trim().split(/\s+/)[0] === key)).to.equal(
            false,
          );
        }
      });

      it('A container keeps its mounts to itself', async () => {
        await using box = await shop.session({
          userns,
          capAdd: ['SYS_ADMIN'],
          securityOpt: ['seccomp=unconfined'],
        });
        const name = `m${box.id.slice(0, 12)}`;
        await box.sh(`mount -t tmpfs ${name} /tmp && touch /tmp/it`);
        expect(await box.sh('cat /proc/self/mounts')).to.include(`${name} /tmp tmpfs`);
        expect(await readFile('/proc/self/mounts', 'utf8')).not.to.include(name);
        expect(await readFile(`/proc/${process.ppid}/mounts`, 'utf8')).not.to.include(name);
        // No mount of the host shows inside either.
        const [, ...visible] = (await box.sh('cut -d" " -f5 /proc/self/mountinfo')).split('\n');
        for (const place of visible) expect(place).to.match(/^\/(?:proc|sys|dev|etc|tmp)/);
      });

      it('A container has a loopback interface that is up, and no other', async () => {
        const text = await shop.sh(
          'cat /sys/class/net/lo/flags; ls /sys/class/net; ' +
            '(sleep 60 | nc -l -p 7 >/tmp/heard &) ; ' +
            'until echo hello | nc 127.0.0.1 7; do usleep 10000; done; ' +
            'until grep hello /tmp/heard; do usleep 1000; done; tail -n +3 /proc/net/dev',
          { userns },
        );
        const [flags, interfaces, heard, ...devices] = text.split('\n');
        // IFF_UP | IFF_LOOPBACK
        expect(flags).to.equal('0x9');
        expect(interfaces).to.equal('lo');
        expect(heard).to.equal('hello');
        expect(devices.map((line) => line.split(':')[0]!.trim())).to.deep.equal(['lo']);
      });

      cgroups.it('A container sees its own cgroup as the root', async () => {
        await using box = await shop.session({ userns });
        const inside = (await box.sh('cat /proc/self/cgroup')).split('\n');
        const outside = (await readFile(`/proc/${await box.pid()}/cgroup`, 'utf8')).split('\n');
        const ours = outside.filter((line) => line.includes(box.id));
        expect(ours.length).to.be.greaterThan(0);
        for (const line of ours) {
          expect(inside).to.include(line.replace(/:\/[^:]*$/, ':/'));
        }
        expect(inside.join('\n')).not.to.include('caisson');
      });
    });
  }

  hostUsers.describe('user ids', () => {
    const MAP = /^\s*0\s+(\d+)\s+65536$/;

    it('User ids are a range of the container’s own, and root inside is not root outside', async () => {
      await using box = await shop.session();
      for (const map of ['uid_map', 'gid_map']) {
        const match = MAP.exec(await box.sh(`cat /proc/self/${map}`));
        expect(match, map).not.to.equal(null);
        const base = Number(match![1]);
        expect(base).to.be.at.least(524_288);
        const status = await statusOf(await box.pid(2));
        const ids = status[map === 'uid_map' ? 'Uid' : 'Gid'];
        expect(ids).to.equal(`${base}\t${base}\t${base}\t${base}`);
      }
      expect(await box.sh('id -u; id -g')).to.equal('0\n0');
    });

    it('User ids are the host’s with userns "host"', async () => {
      await using box = await shop.session({ userns: 'host' });
      expect(await box.sh('cat /proc/self/uid_map')).to.match(/^\s*0\s+0\s+4294967295$/);
      expect((await statusOf(await box.pid(2)))['Uid']).to.equal('0\t0\t0\t0');
    });

    it('User ids of two containers never meet', async () => {
      const boxes = await Promise.all([shop.session(), shop.session(), shop.session()]);
      try {
        const bases = await Promise.all(
          boxes.map(async (box) => MAP.exec(await box.sh('cat /proc/self/uid_map'))![1]),
        );
        expect(new Set(bases).size).to.equal(3);
      } finally {
        await Promise.all(boxes.map((box) => box[Symbol.asyncDispose]()));
      }
    });

    it('User ids of another engine’s containers never meet them', async () => {
      const other = await shop.openAnother();
      await using mine = await shop.session();
      await using theirs = other.run(shop.busybox, ['cat', '/proc/self/uid_map', '-'], {
        stdin: 'pipe',
      });
      await theirs.started;
      const uids = await Promise.all(
        [mine.id, theirs.id].map(async (id) => {
          const [pid] = await processesOf(id);
          return (await statusOf(pid!))['Uid'];
        }),
      );
      expect(uids[0]).not.to.equal(uids[1]);
    });
  });

  describe('what a container has of the host', () => {
    it('No file of the host is open in a container', async () => {
      const text = await shop.sh('for f in /proc/self/fd/*; do echo $(readlink $f); done');
      // The shell's own look at the directory is the fourth.
      const open = text.split('\n').filter((line) => line !== '');
      for (const target of open) {
        expect(target).to.match(/^(?:pipe:\[\d+\]|\/dev\/null|\/proc\/\d+\/fd)$/);
      }
      const init = await shop.sh('ls -l /proc/1/fd 2>&1 || true');
      expect(init).not.to.match(/->/);
    });

    it('No variable of the host is in the environment of a container', async () => {
      process.env['CAISSON_TEST_SECRET'] = 'secret';
      try {
        const text = await shop.sh('env | sort', { env: { A: '1' } });
        const names = text.split('\n').map((line) => line.split('=')[0]);
        expect(names).to.deep.equal(['A', 'HOME', 'HOSTNAME', 'PATH', 'PWD', 'SHLVL']);
        expect(await shop.sh('tr "\\0" "\\n" </proc/1/environ || true')).not.to.include('secret');
      } finally {
        delete process.env['CAISSON_TEST_SECRET'];
      }
    });

    it('No directory of the host is the working directory of a container', async () => {
      expect(await shop.sh('pwd; readlink /proc/self/cwd; readlink /proc/1/cwd || true')).to.match(
        /^\/\n\/(?:\n\/)?$/,
      );
    });

    it('No file of the host can be reached over the root of a container', async () => {
      const text = await shop.sh('cd /; cd ../../..; readlink /proc/self/root; ls');
      const [root, ...names] = text.split('\n');
      expect(root).to.equal('/');
      expect(names).to.have.members(await readdir(shop.busybox.path));
    });
  });

  it('The network "host" shows the machine’s interfaces', async () => {
    const here = (await readFile('/proc/net/dev', 'utf8')).match(/^ *\S+:/gm);
    for (const userns of ['auto', 'host'] as const) {
      const there = await shop.sh('cat /proc/net/dev; ls /sys/class/net', {
        network: 'host',
        userns,
      });
      expect(there.match(/^ *\S+:/gm)).to.deep.equal(here);
      for (const name of here!) expect(there).to.include(`\n${name.trim().slice(0, -1)}`);
    }
    expect(await readlink('/proc/self/ns/net')).to.equal(
      await shop.sh('readlink /proc/self/ns/net', { network: 'host' }),
    );
  });
});
