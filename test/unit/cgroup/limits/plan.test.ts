import { expect } from 'chai';
import { detectCgroups } from '../../../../lib/cgroup/detect.js';
import { type CgroupLayout, makeLayout } from '../../../../lib/cgroup/layout.js';
import { planCgroups } from '../../../../lib/cgroup/limits/plan.js';
import type { CgroupPlan } from '../../../../lib/cgroup/writes.js';
import { type LimitOptions, weightOfShares } from '../../../../lib/cgroup/limits/limit-writes.js';
import { CaissonError } from '../../../../lib/base/errors.js';
import type { LinuxResources } from '../../../../lib/oci/runtime-spec.js';
import {
  comountedV1,
  hybrid,
  type Machine,
  nestedV1,
  nestedV2,
  nothing,
  readersOf,
  systemdV2,
} from '../../../support/cgroup-machines.js';
import { rejectionOf } from '../../../support/rejection.js';

const id = '4f'.repeat(32);
const mib = 1024 * 1024;

async function plan(
  machine: Machine,
  resources: LinuxResources,
  options?: LimitOptions,
): Promise<CgroupPlan> {
  return planCgroups(await detectCgroups(readersOf(machine)), id, resources, options);
}

/** `file=value` of all writes to the container's own directories. */
function writesOf(made: CgroupPlan): string[] {
  return made.placements.flatMap(({ writes }) => writes.map((w) => `${w.file}=${w.value}`));
}

/** The layout as it is after a probe has seen these files in a child. */
function probed(layout: CgroupLayout, controller: string, files: string[]): CgroupLayout {
  const hierarchies = layout.hierarchies.map((h) =>
    h.controllers.includes(controller)
      ? { ...h, probed: new Set([controller]), childFiles: new Set(files) }
      : h,
  );
  return makeLayout(hierarchies, layout.disabled);
}

describe('cgroups: plans for v1', () => {
  it('The plan makes a directory in every hierarchy that has controllers, limits or not', async () => {
    const made = await plan(hybrid, {});
    expect(made.mode).to.equal('hybrid');
    expect(made.placements.map((p) => p.controllers.join())).to.deep.equal([
      'cpu',
      'cpuacct',
      'cpuset',
      'memory',
      'devices',
      'blkio',
      'pids',
    ]);
    for (const { base, parent, dir } of made.placements) {
      expect(parent).to.equal(`${base}/caisson`);
      expect(dir).to.equal(`${base}/caisson/${id}`);
    }
    expect(writesOf(made)).to.deep.equal([]);
    expect(made.oomFile).to.equal(`/sys/fs/cgroup/memory/caisson/${id}/memory.oom_control`);
  });

  it('The plan gives the parent cpus and memory nodes before a container can need them', async () => {
    const made = await plan(hybrid, {});
    const cpuset = made.placements.find((p) => p.controllers.includes('cpuset'));
    expect(cpuset?.parentWrites).to.deep.equal([
      { file: 'cpuset.cpus', value: '0-1' },
      { file: 'cpuset.mems', value: '0' },
      { file: 'cgroup.clone_children', value: '1' },
    ]);
  });

  it('The plan writes memory before memory and swap', async () => {
    const made = await plan(hybrid, {
      memory: {
        limit: 64 * mib,
        swap: 96 * mib,
        reservation: 32 * mib,
        swappiness: 0,
        disableOOMKiller: true,
      },
    });
    expect(writesOf(made)).to.deep.equal([
      'memory.limit_in_bytes=67108864',
      'memory.memsw.limit_in_bytes=100663296',
      'memory.soft_limit_in_bytes=33554432',
      'memory.swappiness=0',
      'memory.oom_control=1',
    ]);
  });

  it('The plan allows as much swap as memory when nothing is said, where swap is counted', async () => {
    const memory = { limit: 64 * mib };
    expect(writesOf(await plan(hybrid, { memory }))).to.include(
      'memory.memsw.limit_in_bytes=134217728',
    );
    expect(writesOf(await plan(hybrid, { memory }, { defaultSwap: 'unlimited' }))).to.deep.equal([
      'memory.limit_in_bytes=67108864',
    ]);
    expect(writesOf(await plan(comountedV1, { memory }))).to.deep.equal([
      'memory.limit_in_bytes=67108864',
    ]);
  });

  it('An explicit limit on swap is refused where swap is not counted', async () => {
    const memory = { limit: 64 * mib, swap: 64 * mib };
    const error = await rejectionOf(plan(comountedV1, { memory }));
    expect(error.code).to.equal('ERR_CGROUP_CONTROLLER_MISSING');
    expect(error.message).to.include('memory.memsw.limit_in_bytes').and.include('--memory-swap');
    expect(error.hint).to.include('swapaccount=1');
    // Unlimited is what there is anyway.
    await plan(comountedV1, { memory: { limit: 64 * mib, swap: -1 } });
  });

  it('The plan writes the period before the quota, and idle after the shares', async () => {
    const cpu = { shares: 512, period: 50_000, quota: 25_000, burst: 1000, idle: 1, cpus: '1' };
    expect(writesOf(await plan(hybrid, { cpu }))).to.deep.equal([
      'cpu.shares=512',
      'cpu.cfs_period_us=50000',
      'cpu.cfs_quota_us=25000',
      'cpu.cfs_burst_us=1000',
      'cpu.idle=1',
      'cpuset.cpus=1',
    ]);
  });

  it('The plan writes one throttled device at a time', async () => {
    const disk = { major: 254, minor: 0 };
    const made = await plan(hybrid, {
      blockIO: {
        throttleReadBpsDevice: [{ ...disk, rate: mib }],
        throttleWriteBpsDevice: [
          { ...disk, rate: 2 * mib },
          { major: 8, minor: 16, rate: 1 },
        ],
        throttleReadIOPSDevice: [{ ...disk, rate: 100 }],
        throttleWriteIOPSDevice: [{ ...disk, rate: 50 }],
      },
    });
    expect(writesOf(made)).to.deep.equal([
      'blkio.throttle.read_bps_device=254:0 1048576',
      'blkio.throttle.write_bps_device=254:0 2097152',
      'blkio.throttle.write_bps_device=8:16 1',
      'blkio.throttle.read_iops_device=254:0 100',
      'blkio.throttle.write_iops_device=254:0 50',
    ]);
  });

  it('The plan weighs block devices by whichever scheduler is loaded, or refuses', async () => {
    const layout = await detectCgroups(readersOf(hybrid));
    const resources = { blockIO: { weight: 300 } };
    const bfq = probed(layout, 'blkio', ['blkio.bfq.weight', 'blkio.bfq.weight_device']);
    expect(writesOf(planCgroups(bfq, id, resources))).to.deep.equal(['blkio.bfq.weight=300']);
    const cfq = probed(layout, 'blkio', ['blkio.weight']);
    expect(writesOf(planCgroups(cfq, id, resources))).to.deep.equal(['blkio.weight=300']);
    const none = probed(layout, 'blkio', ['blkio.throttle.read_bps_device']);
    expect(() => planCgroups(none, id, resources))
      .to.throw(CaissonError, 'blkio.bfq.weight')
      .with.property('code', 'ERR_CGROUP_CONTROLLER_MISSING');
  });

  it('The plan denies all devices first, and lets a narrow rule for all types stay narrow', async () => {
    const made = await plan(hybrid, {
      devices: [
        { allow: false },
        { allow: true, type: 'c', major: 1, minor: 3, access: 'rwm' },
        { allow: true, type: 'c', major: 136, access: 'rw' },
        { allow: true, access: 'm' },
      ],
    });
    expect(writesOf(made)).to.deep.equal([
      'devices.deny=a',
      'devices.allow=c 1:3 rwm',
      'devices.allow=c 136:* rw',
      'devices.allow=b *:* m',
      'devices.allow=c *:* m',
    ]);
    expect(made.deviceRules).to.equal(undefined);
  });

  it('The plan sets huge pages and network classes', async () => {
    const made = await plan(comountedV1, {
      hugepageLimits: [{ pageSize: '2MB', limit: 4 * mib }],
      network: { classID: 0x100001, priorities: [{ name: 'eth0', priority: 5 }] },
    });
    expect(writesOf(made)).to.have.members([
      'hugetlb.2MB.limit_in_bytes=4194304',
      'net_cls.classid=1048577',
      'net_prio.ifpriomap=eth0 5',
    ]);
  });

  it("The plan uses a hybrid machine's cgroup2 for what only it can do", async () => {
    const made = await plan(hybrid, {
      hugepageLimits: [{ pageSize: '2MB', limit: 4 * mib }],
      unified: { 'hugetlb.1GB.max': '0' },
    });
    const enable = [{ file: 'cgroup.subtree_control', value: '+hugetlb' }];
    expect(made.placements.at(-1)).to.deep.include({
      version: 2,
      baseWrites: enable,
      parentWrites: enable,
      writes: [
        { file: 'hugetlb.2MB.max', value: '4194304' },
        { file: 'hugetlb.1GB.max', value: '0' },
      ],
    });
  });

  it('The plan stays inside the part of the hierarchy that the mount shows', async () => {
    const made = await plan(nestedV1, { memory: { limit: 64 * mib }, pids: { limit: 9 } });
    expect(made.placements.map((p) => p.dir)).to.deep.equal([
      `/sys/fs/cgroup/memory/caisson/${id}`,
      `/sys/fs/cgroup/pids/caisson/${id}`,
    ]);
    expect(writesOf(made)).to.deep.equal(['memory.limit_in_bytes=67108864', 'pids.max=9']);
  });
});

describe('cgroups: plans for v2', () => {
  it('The plan enables the controllers from the mount point down', async () => {
    const made = await plan(systemdV2, { cpu: { cpus: '0-1' } });
    const enable = [{ file: 'cgroup.subtree_control', value: '+cpuset +cpu +io +memory +pids' }];
    expect(made.placements).to.deep.equal([
      {
        version: 2,
        controllers: ['cpuset', 'cpu', 'io', 'memory', 'hugetlb', 'pids', 'rdma', 'misc'],
        base: '/sys/fs/cgroup',
        baseWrites: enable,
        parent: '/sys/fs/cgroup/caisson',
        parentWrites: enable,
        mountPoint: '/sys/fs/cgroup',
        dir: `/sys/fs/cgroup/caisson/${id}`,
        writes: [{ file: 'cpuset.cpus', value: '0-1' }],
      },
    ]);
    expect(made.oomFile).to.equal(`/sys/fs/cgroup/caisson/${id}/memory.events`);
  });

  it('The plan converts what v2 says otherwise', async () => {
    const disk = { major: 8, minor: 0 };
    const made = await plan(systemdV2, {
      cpu: { shares: 1024, quota: 50_000, burst: 1000 },
      memory: { limit: 64 * mib, swap: 96 * mib, reservation: 32 * mib },
      pids: { limit: 100 },
      blockIO: {
        throttleReadBpsDevice: [{ ...disk, rate: mib }],
        throttleWriteIOPSDevice: [{ ...disk, rate: 50 }],
      },
      rdma: { mlx4_0: { hcaHandles: 2, hcaObjects: 2000 } },
    });
    expect(writesOf(made)).to.deep.equal([
      'cpu.weight=100',
      'cpu.max=50000 100000',
      'cpu.max.burst=1000',
      'memory.max=67108864',
      'memory.swap.max=33554432',
      'memory.low=33554432',
      'pids.max=100',
      'io.max=8:0 rbps=1048576 wiops=50',
      'rdma.max=mlx4_0 hca_handle=2 hca_object=2000',
    ]);
  });

  it('The plan maps shares onto weights from end to end', () => {
    const shares = [1, 2, 3, 256, 512, 1024, 2048, 262_143, 262_144, 999_999];
    expect(shares.map(weightOfShares)).to.deep.equal([
      1, 1, 2, 35, 59, 100, 174, 10_000, 10_000, 10_000,
    ]);
  });

  it('The plan weighs by bfq, or by the cost model', async () => {
    const layout = await detectCgroups(readersOf(systemdV2));
    const weight = {
      blockIO: { weight: 1000, weightDevice: [{ major: 8, minor: 0, weight: 10 }] },
    };
    const bfq = probed(layout, 'io', ['io.bfq.weight', 'io.weight']);
    expect(writesOf(planCgroups(bfq, id, weight))).to.deep.equal([
      'io.bfq.weight=default 1000',
      'io.bfq.weight=8:0 10',
    ]);
    const cost = probed(layout, 'io', ['io.weight']);
    expect(writesOf(planCgroups(cost, id, weight))).to.deep.equal([
      'io.weight=default 10000',
      'io.weight=8:0 1',
    ]);
  });

  it('The plan hands device rules on to a program, for there is no file', async () => {
    const devices = [{ allow: false, access: 'rwm' }];
    expect((await plan(systemdV2, { devices })).deviceRules).to.deep.equal(devices);
  });

  it('The plan writes files of the unified list as they are, after the rest', async () => {
    const made = await plan(systemdV2, {
      memory: { limit: 64 * mib, swap: -1 },
      unified: { 'memory.high': '32M', 'io.max': '8:0 rbps=1\n8:16 rbps=2', 'misc.max': 'x 1' },
    });
    expect(writesOf(made)).to.deep.equal([
      'memory.max=67108864',
      'memory.high=32M',
      'io.max=8:0 rbps=1',
      'io.max=8:16 rbps=2',
      'misc.max=x 1',
    ]);
    expect(made.placements[0]?.parentWrites[0]?.value).to.include('+misc');
  });

  for (const name of [
    '../x',
    'memory/max',
    'a',
    'memory...max',
    '',
    'cgroup.procs',
    'cgroup.kill',
  ]) {
    it(`The name ${JSON.stringify(name)} is refused in the unified list`, async () => {
      const error = await rejectionOf(plan(systemdV2, { unified: { [name]: '1' } }));
      expect(error.code).to.equal('ERR_INVALID_OPTION');
    });
  }

  it('The plan refuses what only v1 has', async () => {
    for (const memory of [{ swappiness: 10 }, { disableOOMKiller: true }, { kernelTCP: mib }]) {
      const error = await rejectionOf(plan(systemdV2, { memory }));
      expect(error.code).to.equal('ERR_CGROUP_CONTROLLER_MISSING');
      expect(error.message).to.include('cgroup v1');
    }
  });
});

describe('cgroups: limits that cannot be', () => {
  const cases: [string, Machine, LinuxResources, string, string][] = [
    ['no cgroups', nothing, { memory: { limit: mib } }, 'memory', '--memory'],
    ['no cgroups', nothing, { pids: { limit: 5 } }, 'pids', '--pids-limit'],
    ['no cgroups', nothing, { devices: [{ allow: false }] }, 'devices', 'not mounted'],
    ['a disabled controller', comountedV1, { blockIO: { weight: 100 } }, 'blkio', 'cgroup_disable'],
    [
      'a read-only hierarchy',
      nestedV1,
      { blockIO: { throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 1 }] } },
      'blkio',
      '/sys/fs/cgroup/blkio is mounted read-only',
    ],
    ['read-only v2', nestedV2, { memory: { limit: mib } }, 'memory', 'unmask=/sys/fs/cgroup'],
    ['read-only v2', nestedV2, { blockIO: { weight: 100 } }, 'controller io', 'mounted read-only'],
    ['read-only v2', nestedV2, { devices: [{ allow: false }] }, 'devices', 'mounted read-only'],
    [
      'read-only v2',
      nestedV2,
      { unified: { 'cgroup.max.depth': '1' } },
      'cgroup2',
      'mounted read-only',
    ],
    ['a v2 controller elsewhere', systemdV2, { network: { classID: 1 } }, 'net_cls', 'controllers'],
    ['unified on v1', comountedV1, { unified: { 'memory.high': '1M' } }, 'memory', 'unified'],
  ];
  for (const [title, machine, resources, controller, words] of cases) {
    it(`An error for ${title} names ${controller} and says ${words}`, async () => {
      const error = await rejectionOf(plan(machine, resources));
      expect(error.code).to.equal('ERR_CGROUP_CONTROLLER_MISSING');
      expect(error.message).to.include(controller).and.include(words);
      expect(error.exitCode).to.equal(125);
    });
  }

  const invalid: [string, LinuxResources][] = [
    ['swap without memory', { memory: { swap: 64 * mib } }],
    ['less swap than memory', { memory: { limit: 64 * mib, swap: mib } }],
    ['negative memory', { memory: { limit: -5 } }],
    ['half a share', { cpu: { shares: 2.5 } }],
    ['a cpu that is not there', { cpu: { cpus: '0-7' } }],
    ['a node that is not there', { cpu: { mems: '1' } }],
    ['words for a list', { cpu: { cpus: '0-' } }],
    ['a list backwards', { cpu: { cpus: '1-0' } }],
    ['a list without end', { cpu: { cpus: '0-99999999999' } }],
    ['a line break in a list', { cpu: { cpus: '0\n1' } }],
    ['a weight below 10', { blockIO: { weight: 9 } }],
    ['no device number', { blockIO: { weightDevice: [{ major: -1, minor: 0, weight: 10 }] } }],
    ['no page size', { hugepageLimits: [{ pageSize: '../2MB', limit: 0 }] }],
    ['no access', { devices: [{ allow: true, access: 'rwx' }] }],
  ];
  for (const [title, resources] of invalid) {
    it(`The plan refuses ${title}`, async () => {
      const error = await rejectionOf(plan(hybrid, resources));
      expect(error.code).to.equal('ERR_INVALID_OPTION');
    });
  }

  it('The value "no limit" needs no controller', async () => {
    const made = await plan(nothing, {
      memory: { limit: -1, swap: -1, swappiness: -1, disableOOMKiller: false },
      pids: { limit: -1 },
      cpu: { quota: -1 },
    });
    expect(made).to.deep.include({ mode: 'none', placements: [], oomFile: undefined });
  });

  it('The plan leaves device rules out only when it may', async () => {
    const devices = [{ allow: false }];
    const made = await plan(nothing, { devices }, { deviceRules: 'optional' });
    expect(made.deviceRules).to.equal(undefined);
  });

  it('The plan takes no id that is more than a name', async () => {
    const layout = await detectCgroups(readersOf(hybrid));
    for (const bad of ['', '..', 'a/b', '-x', 'a\n']) {
      expect(() => planCgroups(layout, bad, {})).to.throw(CaissonError, 'cannot name');
    }
  });
});
