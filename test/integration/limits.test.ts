import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, readlink, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import type { RunOptions } from '../../lib/engine/options/options.js';
import {
  cgroupOf,
  cgroupsOf,
  eventually,
  hierarchies,
  processesOf,
  holdsFor,
  sleep,
  statusOf,
  tracesOf,
  spareDevice,
} from '../support/outside.js';
import type { Session } from '../support/session.js';
import { isRoot, needsControllers, needsRoot } from '../support/needs.js';
import { Workshop } from '../support/workshop.js';
import { skip } from '../support/skip.js';

/** The disk below a directory, whole: what the kernel limits, and not its partition. */
async function diskOf(directory: string): Promise<{ path: string; number: string }> {
  const { dev } = await stat(directory);
  const major = (dev >> 8) & 0xfff;
  const minor = (dev & 0xff) | ((dev >> 12) & 0xfff00);
  let place = await readlink(`/sys/dev/block/${major}:${minor}`);
  const partition = await stat(`/sys/dev/block/${major}:${minor}/partition`).catch(() => undefined);
  if (partition !== undefined) place = dirname(place);
  const name = basename(place);
  const number = (await readFile(`/sys/block/${name}/dev`, 'utf8')).trim();
  return { path: `/dev/${name}`, number };
}

/** A file of a container's cgroup, by its name in v1 and in v2. */
async function limit(id: string, controller: string, v1: string, v2: string): Promise<string> {
  const { version, directory } = await cgroupOf(id, controller);
  return (await readFile(join(directory, version === 1 ? v1 : v2), 'utf8')).trim();
}

/** Processor time that a container has had, in seconds. */
async function processorTime(id: string): Promise<number> {
  const { version, directory } = await cgroupOf(id, 'cpuacct');
  if (version === 1) return Number(await readFile(`${directory}/cpuacct.usage`, 'utf8')) / 1e9;
  const text = await readFile(`${directory}/cpu.stat`, 'utf8');
  return Number(/^usage_usec (\d+)$/m.exec(text)![1]) / 1e6;
}

const machine = needsControllers('cpu', 'memory', 'pids');

machine.describe('limits', () => {
  let shop: Workshop;
  let onlyV2: boolean;
  let disk: { path: string; number: string };

  before(async () => {
    shop = await Workshop.open();
    onlyV2 = (await hierarchies()).every(({ version }) => version === 2);
    disk = await diskOf(shop.directory);
  });

  after(() => shop.close());

  describe('cgroups', () => {
    it('Cgroups of every controller have the container’s processes, and no others', async () => {
      await using box = await shop.session();
      const pids = [await box.pid(1), await box.pid(2)];
      const directories = await cgroupsOf(box.id);
      const controllers = (await hierarchies()).filter(({ version }) => version === 1);
      for (const { mountPoint } of controllers) {
        expect(directories).to.include(join(mountPoint, 'caisson', box.id));
      }
      expect(directories.length).to.be.at.least(1);
      for (const directory of directories) {
        const members = (await readFile(`${directory}/cgroup.procs`, 'utf8')).trimEnd().split('\n');
        expect(members.map(Number), directory).to.have.members(pids);
      }
      for (const pid of pids) {
        const lines = (await readFile(`/proc/${pid}/cgroup`, 'utf8')).trimEnd().split('\n');
        const ends = [`:/caisson/${box.id}`, `/caisson-${box.id}.scope/container`];
        const own = lines.filter((line) => ends.some((end) => line.endsWith(end)));
        expect(own.length).to.be.at.least(directories.length);
      }
    });

    it('Cgroups have new processes too', async () => {
      await using box = await shop.session();
      await box.sh('sleep 1000 & setsid sleep 1000 & true');
      await eventually(async () => {
        for (const directory of await cgroupsOf(box.id)) {
          const members = (await readFile(`${directory}/cgroup.procs`, 'utf8')).trimEnd();
          expect(members.split('\n').length, directory).to.equal(4);
        }
      });
    });

    it('Cgroups can be seen inside, and not be changed there', async () => {
      for (const userns of ['auto', 'host'] as const) {
        const [file, other] = onlyV2
          ? ['memory.max', 'cgroup.procs']
          : ['memory/memory.limit_in_bytes', 'memory/cgroup.procs'];
        const text = await shop.sh(
          `cd /sys/fs/cgroup; cat ${file}; (echo -1 >${file}) 2>&1; cat ${other}; mkdir ${dirname(other)}/x 2>&1; true`,
          { userns, memory: '64m' },
        );
        expect(text).to.match(/^67108864\n/);
        expect(text.match(/Read-only file system|Permission denied/g)!.length).to.equal(2);
        expect(text).to.match(/^1\n2$/m);
      }
    });

    it('Cgroups go with the container', async () => {
      const run = shop.engine.run(shop.busybox, ['true'], { memory: '64m', cpuShares: 100 });
      await run;
      await eventually(async () => {
        expect(await tracesOf(run.id, shop.path('data'))).to.deep.equal([]);
      });
    });
  });

  describe('limits as the kernel has them', () => {
    const look = async (options: RunOptions, check: (id: string) => Promise<unknown>) => {
      await using box = await shop.session(options);
      await check(box.id);
    };

    it('The kernel has a limit on memory, with as much swap again', () =>
      look({ memory: '64m' }, async (id) => {
        expect(await limit(id, 'memory', 'memory.limit_in_bytes', 'memory.max')).to.equal(
          '67108864',
        );
        expect(
          await limit(id, 'memory', 'memory.memsw.limit_in_bytes', 'memory.swap.max'),
        ).to.equal(onlyV2 ? '67108864' : '134217728');
      }));

    it('The kernel has limits on memory in all units', async () => {
      for (const [memory, bytes] of [
        [67_108_864, '67108864'],
        ['16777216b', '16777216'],
        ['65536k', '67108864'],
        ['0.5g', '536870912'],
      ] as const) {
        await look({ memory }, async (id) => {
          expect(await limit(id, 'memory', 'memory.limit_in_bytes', 'memory.max')).to.equal(bytes);
        });
      }
    });

    it('The kernel has limits on memory and swap together, swap without limit, and a reservation', async () => {
      const swap = (id: string) =>
        limit(id, 'memory', 'memory.memsw.limit_in_bytes', 'memory.swap.max');
      await look({ memory: '64m', memorySwap: '96m', memoryReservation: '32m' }, async (id) => {
        expect(await swap(id)).to.equal(onlyV2 ? '33554432' : '100663296');
        expect(await limit(id, 'memory', 'memory.soft_limit_in_bytes', 'memory.low')).to.equal(
          '33554432',
        );
      });
      await look({ memory: '64m', memorySwap: '64m' }, async (id) => {
        expect(await swap(id)).to.equal(onlyV2 ? '0' : '67108864');
      });
      await look({ memory: '64m', memorySwap: -1 }, async (id) => {
        // v1's "no limit" is the largest number of whole pages.
        expect(await swap(id)).to.equal(onlyV2 ? 'max' : '9223372036854771712');
      });
    });

    it('The kernel has the swappiness and the setting of the OOM killer', async function () {
      if (onlyV2) skip(this, 'cgroup v2 has no swappiness and no switch for the OOM killer');
      await look({ memorySwappiness: 20, oomKillDisable: true, memory: '64m' }, async (id) => {
        expect(await limit(id, 'memory', 'memory.swappiness', '')).to.equal('20');
        expect(await limit(id, 'memory', 'memory.oom_control', '')).to.match(
          /^oom_kill_disable 1$/m,
        );
      });
      await look({ memorySwappiness: 0, memory: '64m' }, async (id) => {
        expect(await limit(id, 'memory', 'memory.swappiness', '')).to.equal('0');
        expect(await limit(id, 'memory', 'memory.oom_control', '')).to.match(
          /^oom_kill_disable 0$/m,
        );
      });
    });

    it('The kernel has the shares of the processors', () =>
      look({ cpuShares: 512 }, async (id) => {
        expect(await limit(id, 'cpu', 'cpu.shares', 'cpu.weight')).to.equal(onlyV2 ? '59' : '512');
      }));

    it('The kernel has the limit on processor time', async () => {
      const bandwidth = async (id: string) =>
        onlyV2
          ? limit(id, 'cpu', '', 'cpu.max')
          : `${await limit(id, 'cpu', 'cpu.cfs_quota_us', '')} ${await limit(id, 'cpu', 'cpu.cfs_period_us', '')}`;
      const none = onlyV2 ? 'max' : '-1';
      await look({ cpus: 0.5 }, async (id) => expect(await bandwidth(id)).to.equal('50000 100000'));
      await look({ cpus: '1' }, async (id) =>
        expect(await bandwidth(id)).to.equal('100000 100000'),
      );
      await look({ cpuPeriod: 50_000, cpuQuota: 25_000 }, async (id) =>
        expect(await bandwidth(id)).to.equal('25000 50000'),
      );
      await look({ cpuQuota: 20_000 }, async (id) =>
        expect(await bandwidth(id)).to.equal('20000 100000'),
      );
      await look({ cpuPeriod: 20_000 }, async (id) =>
        expect(await bandwidth(id)).to.equal(`${none} 20000`),
      );
      await look({ cpuQuota: -1 }, async (id) =>
        expect(await bandwidth(id)).to.equal(`${none} 100000`),
      );
    });

    it('The kernel has the set of processors and memory nodes', () =>
      look({ cpusetCpus: '0', cpusetMems: '0' }, async (id) => {
        expect(await limit(id, 'cpuset', 'cpuset.cpus', 'cpuset.cpus')).to.equal('0');
        expect(await limit(id, 'cpuset', 'cpuset.mems', 'cpuset.mems')).to.equal('0');
        for (const pid of await processesOf(id)) {
          const status = await statusOf(pid);
          expect(status['Cpus_allowed_list']).to.equal('0');
          expect(status['Mems_allowed_list']).to.equal('0');
        }
      }));

    it('The kernel has the limit on the number of processes', async () => {
      await look({ pidsLimit: 50 }, async (id) => {
        expect(await limit(id, 'pids', 'pids.max', 'pids.max')).to.equal('50');
      });
      for (const pidsLimit of [0, -1]) {
        await look({ pidsLimit }, async (id) => {
          expect(await limit(id, 'pids', 'pids.max', 'pids.max')).to.equal('max');
        });
      }
    });

    it('The kernel has the weight of block I/O', () =>
      look({ blkioWeight: 500 }, async (id) => {
        const { version, directory } = await cgroupOf(id, 'blkio');
        const names = await readdir(directory);
        const candidates =
          version === 1 ? ['blkio.weight', 'blkio.bfq.weight'] : ['io.weight', 'io.bfq.weight'];
        const file = candidates.find((name) => names.includes(name));
        expect((await readFile(`${directory}/${file}`, 'utf8')).trim()).to.match(
          version === 1 ? /^500$/ : /^default \d+$/,
        );
      }));

    it('The kernel has the rates of a disk', () =>
      look(
        {
          deviceReadBps: [`${disk.path}:1m`],
          deviceWriteBps: [{ path: disk.path, rate: '2mb' }],
          deviceReadIops: [`${disk.path}:100`],
          deviceWriteIops: [{ path: disk.path, rate: 200 }],
        },
        async (id) => {
          const { version, directory } = await cgroupOf(id, 'blkio');
          if (version === 2) {
            expect((await readFile(`${directory}/io.max`, 'utf8')).trim()).to.equal(
              `${disk.number} rbps=1048576 wbps=2097152 riops=100 wiops=200`,
            );
            return;
          }
          for (const [file, rate] of [
            ['read_bps', 1_048_576],
            ['write_bps', 2_097_152],
            ['read_iops', 100],
            ['write_iops', 200],
          ] as const) {
            expect(
              (await readFile(`${directory}/blkio.throttle.${file}_device`, 'utf8')).trim(),
            ).to.equal(`${disk.number} ${rate}`);
          }
        },
      ));

    it('The kernel has no limit that was not asked for', () =>
      look({}, async (id) => {
        if (onlyV2) {
          expect(await limit(id, 'memory', '', 'memory.max')).to.equal('max');
          expect(await limit(id, 'cpu', '', 'cpu.max')).to.equal('max 100000');
        } else {
          expect(await limit(id, 'memory', 'memory.limit_in_bytes', '')).to.equal(
            '9223372036854771712',
          );
          expect(await limit(id, 'cpu', 'cpu.cfs_quota_us', '')).to.equal('-1');
          expect(await limit(id, 'cpu', 'cpu.shares', '')).to.equal('1024');
        }
        expect(await limit(id, 'pids', 'pids.max', 'pids.max')).to.equal('2048');
      }));
  });

  describe('limits of memory', () => {
    /** Takes memory until there is none. */
    const HOG = 'tail /dev/zero';

    it('A limit on memory ends a hog, and the result says so', async () => {
      for (const init of [true, false]) {
        const result = await shop.engine.run(shop.busybox, ['tail', '/dev/zero'], {
          memory: '24m',
          memorySwap: '24m',
          init,
        });
        expect(result).to.include({
          oomKilled: true,
          exitCode: 137,
          signal: 'SIGKILL',
          timedOut: false,
        });
      }
    });

    it('A limit on memory ends a hog that is not the program itself, and the result says so', async () => {
      const result = await shop.engine.run(shop.busybox, ['sh', '-c', `${HOG}; echo $?; exit 4`], {
        memory: '24m',
        memorySwap: '24m',
      });
      expect(result).to.include({ oomKilled: true, exitCode: 4, stdout: '137\n' });
    });

    it('A limit on memory holds for what is written into memory, too', async () => {
      const result = await shop.engine.run(
        shop.busybox,
        ['sh', '-c', 'dd if=/dev/zero of=/dev/shm/x bs=1M count=60 2>/dev/null; exit 3'],
        { memory: '24m', memorySwap: '24m', shmSize: '100m' },
      );
      expect(result.oomKilled).to.equal(true);
    });

    it('A result does not blame the limit for a program that was killed', async () => {
      const result = await shop.engine.run(shop.busybox, ['sh', '-c', 'kill -9 $$; true'], {
        memory: '24m',
      });
      expect(result).to.include({ oomKilled: false, exitCode: 137 });
    });

    it('A limit of 4 MiB leaves room for a small static program', async () => {
      for (const userns of ['auto', 'host'] as const) {
        for (const init of [true, false]) {
          const runs = Array.from({ length: 5 }, () =>
            shop.engine.run(shop.busybox, ['sh', '-c', 'echo $((6 * 7))'], {
              memory: '4m',
              memorySwap: '4m',
              userns,
              init,
            }),
          );
          for (const result of await Promise.all(runs)) {
            expect(result).to.include({ exitCode: 0, oomKilled: false, stdout: '42\n' });
          }
        }
      }
    });

    it('A limit on memory makes a hog wait when the OOM killer is off, and it can still be ended', async function () {
      if (onlyV2) skip(this, 'cgroup v2 has no swappiness and no switch for the OOM killer');
      // Who waits is who touches a page; a system call would fail instead.
      const run = shop.engine.run(shop.busybox, ['awk', 'BEGIN { x = "x"; while (1) x = x x }'], {
        memory: '24m',
        memorySwap: '24m',
        oomKillDisable: true,
      });
      await run.started;
      await eventually(async () => {
        expect(await limit(run.id, 'memory', 'memory.oom_control', '')).to.match(/^under_oom 1$/m);
      });
      run.kill();
      expect(await run).to.include({ oomKilled: false, exitCode: 137 });
      await eventually(async () => {
        expect(await tracesOf(run.id, shop.path('data'))).to.deep.equal([]);
      });
    });
  });

  describe('limits of processor time', () => {
    const BUSY = 'while :; do :; done';

    /** Processor time of each, in seconds, over some time in which all of them run. */
    async function measure(boxes: readonly Session[], milliseconds: number): Promise<number[]> {
      const look = () => Promise.all(boxes.map(({ id }) => processorTime(id)));
      await eventually(async () => {
        for (const time of await look()) expect(time).to.be.greaterThan(0.02);
      });
      const begin = await look();
      await sleep(milliseconds); // the time that is measured
      const end = await look();
      return end.map((time, index) => time - begin[index]!);
    }

    it('Containers share a processor as the shares say: 1024 to 256 is four to one', async () => {
      await using large = await shop.session({ cpusetCpus: '0', cpuShares: 1024 });
      await using small = await shop.session({ cpusetCpus: '0', cpuShares: 256 });
      for (const box of [large, small]) await box.sh(`(${BUSY}) & true`);
      const [most, least] = await measure([large, small], 1500);
      expect(most! / least!).to.be.within(2.5, 6.5);
    });

    it('A limit of half a processor holds for two processes that want one each', async () => {
      await using box = await shop.session({ cpus: 0.5 });
      await box.sh(`(${BUSY}) & (${BUSY}) & true`);
      const begin = performance.now();
      const [used] = await measure([box], 1200);
      expect(used! / ((performance.now() - begin) / 1000)).to.be.at.most(0.65);
      // On a machine that is busy with other things, a while may pass before it wants more than it may have.
      await eventually(async () => {
        const stat = await limit(box.id, 'cpu', 'cpu.stat', 'cpu.stat');
        expect(stat).to.match(/^nr_periods [1-9]/m);
      });
    });
  });

  describe('limits of block I/O', () => {
    it('Rates hold direct reads and writes back', async function () {
      this.timeout(60_000);
      const volume = shop.path('volume');
      await mkdir(volume);
      const volumes = [`${volume}:/v`];
      await shop.sh('dd if=/dev/zero of=/v/input bs=1M count=3 oflag=direct', { volumes }, 'host');
      const { path } = disk;
      const held = async (command: string, options: RunOptions) => {
        const { durationMs, exitCode, stderr } = await shop.engine.run(
          'host',
          ['sh', '-c', command],
          { volumes, ...options },
        );
        expect(exitCode, stderr).to.equal(0);
        return durationMs;
      };
      // 3 MiB at 2 MiB a second; 60 operations at 40 a second.
      const times = await Promise.all([
        held('dd if=/dev/zero of=/v/a bs=256k count=12 oflag=direct', {
          deviceWriteBps: [`${path}:2m`],
        }),
        held('dd if=/v/input of=/dev/null bs=256k iflag=direct', { deviceReadBps: [`${path}:2m`] }),
        held('dd if=/dev/zero of=/v/b bs=4k count=60 oflag=direct', {
          deviceWriteIops: [`${path}:40`],
        }),
        held('dd if=/v/input of=/dev/null bs=4k count=60 iflag=direct', {
          deviceReadIops: [`${path}:40`],
        }),
      ]);
      for (const time of times) expect(time).to.be.at.least(1000);
    });
  });

  describe('limits of processes', () => {
    it('A limit on processes contains a fork bomb', async () => {
      const run = shop.engine.run(
        shop.busybox,
        ['sh', '-c', '(b() { b | b & }; b) & exec sleep 1000'],
        {
          pidsLimit: 24,
        },
      );
      await run.started;
      await eventually(async () => {
        expect(await limit(run.id, 'pids', 'pids.events', 'pids.events')).to.match(/^max [1-9]/m);
      });
      await holdsFor(100, async () => {
        const processes = await limit(run.id, 'pids', 'pids.current', 'pids.current');
        expect(Number(processes)).to.be.at.most(24);
      });
      run.kill();
      expect((await run).exitCode).to.equal(137);
      await eventually(async () => {
        expect(await tracesOf(run.id, shop.path('data'))).to.deep.equal([]);
      });
    });

    it('A limit on processes may be as low as one', async () => {
      const { exitCode, stdout, stderr } = await shop.engine.run(
        shop.busybox,
        ['sh', '-c', 'echo $$; (true); echo never'],
        { pidsLimit: 1, init: false },
      );
      expect(stdout).to.equal('1\n');
      expect(stderr).to.include("can't fork");
      expect(exitCode).not.to.equal(0);
    });

    it('A limit on processes that leaves no room for init is an error that says so', async () => {
      const error = await shop.engine.run(shop.busybox, ['true'], { pidsLimit: 1 }).then(
        () => undefined,
        (reason: unknown) => reason as Error & { code: string; step: string; hint: string },
      );
      expect(error?.code).to.equal('ERR_START_FAILED');
      expect(error?.step).to.equal('init');
      expect(error?.hint).to.match(/pidsLimit/);
    });
  });

  needsRoot('device nodes').it('Rules allow devices, and no others', async function () {
    const device = await spareDevice();
    if (device === undefined) skip(this, 'no device of this machine is free to be given');
    const { rdev } = await stat(device);
    // makedev(3)
    const [major, minor] = [(rdev >> 8) & 0xfff, (rdev & 0xff) | ((rdev >> 12) & 0xfff00)];
    const open = async (...deviceCgroupRules: string[]) => {
      const { stdout } = await shop.engine.run(
        shop.busybox,
        [
          ...['sh', '-c', 'mknod /dev/x c "$1" "$2" && (: <>/dev/x) 2>/dev/null && echo may', 'sh'],
          ...[String(major), String(minor)],
        ],
        { userns: 'host', deviceCgroupRules },
      );
      return stdout;
    };
    expect(await open()).to.equal('');
    expect(await open(`c ${major}:${minor} r`)).to.equal('');
    expect(await open(`c ${major}:${minor + 1} rw`, `b ${major}:${minor} rw`)).to.equal('');
    expect(await open(`c ${major}:${minor} rw`)).to.equal('may\n');
    expect(await open(`c ${major}:* r`, `c *:${minor} wr`)).to.equal('may\n');
    expect(await open('a *:* rwm')).to.equal('may\n');
  });

  describe('limits that cannot be set', () => {
    it('A limit whose value the kernel refuses is an error with an address', async () => {
      const error = await shop.engine
        .run(shop.busybox, ['true'], { deviceReadBps: ['/dev/null:1m'] })
        .then(
          () => undefined,
          (reason: unknown) => reason as Error & { code: string; path: string },
        );
      expect(error?.code).to.equal('ERR_INVALID_OPTION');
      expect(error?.message).to.match(/deviceReadBps.*\/dev\/null.*not a block device/);
    });

    // The controller vanishes from a mount namespace of this child's own; the machine's mounts stay.
    const without = async (prepare: string, options: RunOptions) => {
      const script = fileURLToPath(new URL('../support/programs/run-one.js', import.meta.url));
      const { stdout } = await promisify(execFile)('unshare', [
        '--mount',
        '--propagation=private',
        'sh',
        '-c',
        `${prepare} && exec "$@"`,
        'sh',
        process.execPath,
        script,
        shop.path('without'),
        shop.path('busybox'),
        JSON.stringify(['echo', 'ran']),
        JSON.stringify(options),
      ]);
      return JSON.parse(stdout) as Record<string, unknown>;
    };

    it('A limit whose controller is missing is an error that names it', async function () {
      if (onlyV2 || !isRoot)
        skip(this, 'needs root and cgroup v1: controllers are unmounted in a mount namespace');
      for (const [controller, options, option] of [
        ['pids', { pidsLimit: 10 }, '--pids-limit'],
        ['memory', { memory: '64m' }, '--memory'],
        ['cpuset', { cpusetCpus: '0' }, '--cpuset-cpus'],
        ['blkio', { blkioWeight: 100 }, '--blkio-weight'],
      ] as const) {
        const { mountPoint } = (await hierarchies()).find(({ controllers }) =>
          controllers.includes(controller),
        )!;
        const unmount = `umount ${mountPoint}`;
        const refused = await without(unmount, options);
        expect(refused['code'], JSON.stringify(refused)).to.equal('ERR_CGROUP_CONTROLLER_MISSING');
        expect(refused['message']).to.include(option).and.to.include(controller);
        expect((await without(unmount, {}))['stdout']).to.equal('ran\n');
      }
    });

    it('A limit in a hierarchy that is read-only is an error that says so', async function () {
      if (onlyV2 || !isRoot)
        skip(this, 'needs root and cgroup v1: controllers are unmounted in a mount namespace');
      const { mountPoint } = (await hierarchies()).find(({ controllers }) =>
        controllers.includes('pids'),
      )!;
      const refused = await without(`mount -o remount,bind,ro ${mountPoint}`, { pidsLimit: 10 });
      expect(refused['code']).to.equal('ERR_CGROUP_CONTROLLER_MISSING');
      expect(refused['message']).to.include('pids').and.to.include('read-only');
    });
  });
});
