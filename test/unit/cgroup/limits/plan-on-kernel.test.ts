/** Plans put to the running kernel: it takes each write, and the files then say what was asked for. */
import { randomBytes } from 'node:crypto';
import { access, mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import type { CgroupLayout } from '../../../../lib/cgroup/layout.js';
import { planCgroups } from '../../../../lib/cgroup/limits/plan.js';
import type { CgroupPlan, CgroupWrite } from '../../../../lib/cgroup/writes.js';
import { layoutFor } from '../../../../lib/cgroup/limits/file-probe.js';
import type { LinuxResources } from '../../../../lib/oci/runtime-spec.js';
import { skip } from '../../../support/skip.js';

const mib = 1024 * 1024;

async function writeAll(directory: string, writes: readonly CgroupWrite[] = []): Promise<void> {
  for (const { file, value } of writes) await writeFile(join(directory, file), value);
}

/** Does what the launch program will do, hands over, and removes all of it. */
async function carriedOut(made: CgroupPlan, look: () => Promise<void>): Promise<void> {
  try {
    for (const placement of made.placements) {
      const { base, parent = base } = placement;
      await writeAll(base, placement.baseWrites);
      await mkdir(parent, { recursive: true });
      await writeAll(parent, placement.parentWrites);
      await mkdir(placement.dir);
      await writeAll(placement.dir, placement.writes);
    }
    await look();
  } finally {
    for (const { dir, parent = '' } of made.placements) {
      await rmdir(dir).catch(() => undefined);
      // Other containers may be in it.
      await rmdir(parent).catch(() => undefined);
    }
  }
}

describe('cgroups: the running kernel', () => {
  let layout: CgroupLayout;
  let id: string;

  before(async function () {
    layout = await layoutFor({});
    if (layout.mode === 'none') skip(this, 'this user has no cgroups');
  });

  beforeEach(() => {
    id = randomBytes(32).toString('hex');
  });

  const v1 = (controller: string): boolean => layout.controllers.get(controller)?.version === 1;
  const fileOf = (controller: string, file: string): string =>
    join(layout.controllers.get(controller)!.mountPoint, 'caisson', id, file);
  const read = async (controller: string, file: string): Promise<string> =>
    (await readFile(fileOf(controller, file), 'utf8')).trim();

  async function need(context: Mocha.Context, controller: string): Promise<void> {
    if (!layout.controllers.has(controller))
      skip(context, `this machine has no cgroup controller ${controller}`);
    await Promise.resolve();
  }

  async function apply(resources: LinuxResources, look: () => Promise<void>): Promise<void> {
    await carriedOut(planCgroups(await layoutFor(resources), id, resources), look);
  }

  it('The kernel takes limits on memory', async function () {
    await need(this, 'memory');
    await apply({ memory: { limit: 64 * mib, reservation: 32 * mib } }, async () => {
      const [limit, soft] = v1('memory')
        ? ['memory.limit_in_bytes', 'memory.soft_limit_in_bytes']
        : ['memory.max', 'memory.low'];
      expect(await read('memory', limit)).to.equal(String(64 * mib));
      expect(await read('memory', soft)).to.equal(String(32 * mib));
    });
  });

  it('The kernel counts OOM kills in the file that the plan names', async function () {
    await need(this, 'memory');
    const made = planCgroups(layout, id, {});
    await carriedOut(made, async () => {
      expect(await readFile(made.oomFile!, 'utf8')).to.match(/^oom_kill 0$/m);
    });
  });

  it('The kernel takes shares and quotas of cpu time', async function () {
    await need(this, 'cpu');
    await apply({ cpu: { shares: 256, period: 50_000, quota: 25_000 } }, async () => {
      if (v1('cpu')) {
        expect(await read('cpu', 'cpu.shares')).to.equal('256');
        expect(await read('cpu', 'cpu.cfs_period_us')).to.equal('50000');
        expect(await read('cpu', 'cpu.cfs_quota_us')).to.equal('25000');
      } else {
        expect(await read('cpu', 'cpu.weight')).to.equal('35');
        expect(await read('cpu', 'cpu.max')).to.equal('25000 50000');
      }
    });
  });

  it('The plan gives a v1 cpuset memory nodes even when only cpus were asked for', async function () {
    await need(this, 'cpuset');
    const { cpus } = layout.controllers.get('cpuset')!;
    const first = /^\d+/.exec(cpus!)![0];
    await apply({ cpu: { cpus: first } }, async () => {
      expect(await read('cpuset', 'cpuset.cpus')).to.equal(first);
      if (v1('cpuset')) expect(await read('cpuset', 'cpuset.mems')).not.to.equal('');
    });
  });

  it('The kernel takes a limit on processes', async function () {
    await need(this, 'pids');
    await apply({ pids: { limit: 33 } }, async () => {
      expect(await read('pids', 'pids.max')).to.equal('33');
    });
  });

  it('The plan leaves of the devices what was allowed', async function () {
    if (!v1('devices')) skip(this, 'cgroup v2 has no list of devices');
    const devices = [
      { allow: false },
      { allow: true, type: 'c', major: 1, minor: 3, access: 'rwm' },
      { allow: true, access: 'm' },
    ] as const;
    await apply({ devices }, async () => {
      const list = (await read('devices', 'devices.list')).split('\n');
      expect(list).to.have.members(['c 1:3 rwm', 'b *:* m', 'c *:* m']);
    });
  });

  it('The detection finds the files for weights by looking into a cgroup, and leaves none behind', async function () {
    await need(this, v1('blkio') ? 'blkio' : 'io');
    const resources = { blockIO: { weight: 300 } };
    const known = await layoutFor(resources);
    expect(await layoutFor(resources)).to.equal(known);
    const hierarchy = known.controllers.get(v1('blkio') ? 'blkio' : 'io')!;
    expect(hierarchy.probed).not.to.equal(undefined);
    const left = (await readdir(hierarchy.mountPoint)).filter((name) => name.includes('probe'));
    expect(left).to.deep.equal([]);
    const bfq = v1('blkio') ? 'blkio.bfq.weight' : 'io.bfq.weight';
    if (hierarchy.childFiles?.has(bfq) !== true) skip(this, 'this kernel has no BFQ');
    await apply(resources, async () => {
      expect(await read(hierarchy.controllers[0]!, bfq)).to.match(/\b300$/);
    });
  });

  it('The kernel takes limits on a disk', async function () {
    await need(this, v1('blkio') ? 'blkio' : 'io');
    const numbers = await diskNumbers();
    if (numbers === undefined) skip(this, 'this machine has no disk');
    const [major, minor] = numbers;
    await apply(
      { blockIO: { throttleWriteBpsDevice: [{ major, minor, rate: mib }] } },
      async () => {
        const text = v1('blkio')
          ? await read('blkio', 'blkio.throttle.write_bps_device')
          : await read('io', 'io.max');
        expect(text).to.match(new RegExp(`^${major}:${minor} .*${mib}`));
      },
    );
  });

  it('The tests have removed all cgroups', async () => {
    for (const { mountPoint } of layout.hierarchies) {
      const gone = await access(join(mountPoint, 'caisson', id)).then(
        () => false,
        () => true,
      );
      expect(gone, mountPoint).to.equal(true);
    }
  });
});

/** Major and minor number of some disk: limits are for whole disks, not partitions. */
async function diskNumbers(): Promise<[number, number] | undefined> {
  for (const name of await readdir('/sys/block').catch(() => [])) {
    if (!/^(?:vd|sd|nvme|xvd)/.test(name)) continue;
    const [major, minor] = (await readFile(`/sys/block/${name}/dev`, 'utf8'))
      .split(':')
      .map(Number);
    if (major !== undefined && minor !== undefined) return [major, minor];
  }
  return undefined;
}
