import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { CgroupDirectory } from '../../../../lib/cgroup/cgroup-paths.js';
import { parseProcStat } from '../../../../lib/engine/views/cpu-stats.js';
import { type ContainerStats, cpuPercent, readStats } from '../../../../lib/engine/views/stats.js';

/** Of a container on Linux 6.1 with all of cgroup v2. */
const V2 = {
  'cgroup.procs': '4711\n',
  'cpu.stat':
    'usage_usec 2000001\nuser_usec 1500000\nsystem_usec 500001\nnr_periods 40\nnr_throttled 12\nthrottled_usec 900000\n',
  'memory.current': '31457280\n',
  'memory.max': '67108864\n',
  'memory.peak': '41943040\n',
  'memory.swap.current': '4096\n',
  'memory.stat': 'anon 20971520\nfile 10485760\ninactive_file 1048576\n',
  'memory.events': 'low 0\nhigh 0\nmax 17\noom 3\noom_kill 2\noom_group_kill 0\n',
  'pids.current': '5\n',
  'pids.max': 'max\n',
  'io.stat':
    '8:16 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n7:0 \n253:0 rbytes=1024 wbytes=0 rios=3 wios=0 dbytes=0 dios=0\n',
  'cpu.pressure':
    'some avg10=1.50 avg60=0.25 avg300=0.00 total=12345\nfull avg10=0.50 avg60=0.00 avg300=0.00 total=99\n',
  'io.pressure': 'some avg10=0.00 avg60=0.00 avg300=0.00 total=7\n',
};

/** Of a container on a machine with all controllers in one place. */
const V1 = {
  'cgroup.procs': '4711\n4712\n',
  'cpuacct.usage': '123456789\n',
  'cpuacct.stat': 'user 8\nsystem 4\n',
  'cpu.stat': 'nr_periods 3\nnr_throttled 2\nthrottled_time 77\n',
  'memory.usage_in_bytes': '1000000\n',
  'memory.limit_in_bytes': '9223372036854771712\n',
  'memory.max_usage_in_bytes': '2000000\n',
  'memory.failcnt': '4\n',
  'memory.stat': 'inactive_file 1\ntotal_inactive_file 250000\ntotal_swap 4096\n',
  'memory.oom_control': 'oom_kill_disable 0\nunder_oom 0\noom_kill 1\n',
  'pids.current': '2\n',
  'pids.max': '10\n',
  'blkio.throttle.io_service_bytes': '8:0 Read 1\n8:0 Write 1\nTotal 2\n',
  'blkio.throttle.io_service_bytes_recursive':
    '8:0 Read 4096\n8:0 Write 8192\n8:0 Sync 12288\n8:0 Async 0\n8:0 Total 12288\n7:1 Read 512\n7:1 Write 0\nTotal 12800\n',
  'blkio.throttle.io_serviced_recursive': '8:0 Read 1\n8:0 Write 2\n7:1 Read 1\nTotal 4\n',
  'blkio.bfq.io_service_bytes_recursive': '8:0 Read 9\n8:0 Write 9\n',
};

describe('stats of what the kernel says', () => {
  let root: string;
  let count = 0;

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'caisson-test-'));
  });
  after(() => rm(root, { recursive: true }));

  function place(version: 1 | 2, files: Record<string, string>): CgroupDirectory {
    const dir = join(root, String(count++));
    mkdirSync(dir);
    for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
    const controllers =
      version === 1
        ? ['blkio', 'cpu', 'cpuacct', 'memory', 'pids']
        : ['cpu', 'io', 'memory', 'pids'];
    return { version, controllers, dir };
  }

  it('The statistics are read in v2', async () => {
    const stats = (await readStats([place(2, V2)]))!;
    expect(stats.cpu).to.deep.include({
      usage: 2_000_001_000,
      user: 1_500_000_000,
      system: 500_001_000,
      throttling: { periods: 40, throttledPeriods: 12, throttledTime: 900_000_000 },
    });
    expect(stats.memory).to.deep.equal({
      usage: 30_408_704,
      charged: 31_457_280,
      limit: 67_108_864,
      max: 41_943_040,
      failcnt: 17,
      oomKills: 2,
      swap: 4096,
      stats: { anon: 20_971_520, file: 10_485_760, inactive_file: 1_048_576 },
    });
    expect(stats.pids).to.deep.equal({ current: 5, limit: undefined });
    expect(stats.blkio).to.deep.equal({
      readBytes: 5120,
      writeBytes: 8192,
      readOps: 4,
      writeOps: 2,
      devices: [
        { major: 8, minor: 16, readBytes: 4096, writeBytes: 8192, readOps: 1, writeOps: 2 },
        { major: 7, minor: 0, readBytes: 0, writeBytes: 0, readOps: 0, writeOps: 0 },
        { major: 253, minor: 0, readBytes: 1024, writeBytes: 0, readOps: 3, writeOps: 0 },
      ],
    });
    expect(stats.pressure).to.deep.equal({
      cpu: {
        some: { avg10: 1.5, avg60: 0.25, avg300: 0, total: 12345 },
        full: { avg10: 0.5, avg60: 0, avg300: 0, total: 99 },
      },
      memory: undefined,
      io: { some: { avg10: 0, avg60: 0, avg300: 0, total: 7 }, full: undefined },
    });
    expect(stats.networks).to.equal(undefined);
  });

  it('The statistics are read in v1, whose older kernels count processor time in ticks', async () => {
    const stats = (await readStats([place(1, V1)]))!;
    expect(stats.cpu).to.deep.include({
      usage: 123_456_789,
      user: 80_000_000,
      system: 40_000_000,
      throttling: { periods: 3, throttledPeriods: 2, throttledTime: 77 },
    });
    const { limit, ...memory } = stats.memory!;
    expect(limit).to.be.within(1 << 20, 2 ** 46);
    expect(memory).to.deep.include({
      usage: 750_000,
      charged: 1_000_000,
      max: 2_000_000,
      failcnt: 4,
      oomKills: 1,
      swap: 4096,
    });
    expect(stats.pids).to.deep.equal({ current: 2, limit: 10 });
    expect(stats.blkio).to.deep.equal({
      readBytes: 4608,
      writeBytes: 8192,
      readOps: 2,
      writeOps: 2,
      devices: [
        { major: 8, minor: 0, readBytes: 4096, writeBytes: 8192, readOps: 1, writeOps: 2 },
        { major: 7, minor: 1, readBytes: 512, writeBytes: 0, readOps: 1, writeOps: 0 },
      ],
    });
    expect(stats.pressure).to.equal(undefined);
  });

  it('The statistics are read in both: v1 has the controllers, v2 the pressure', async () => {
    const stats = (await readStats([
      { ...place(2, { ...V2, 'cpu.stat': 'usage_usec 1\n' }), controllers: [] },
      place(1, V1),
    ]))!;
    expect(stats.cpu!.usage).to.equal(123_456_789);
    expect(stats.memory!.charged).to.equal(1_000_000);
    expect(stats.pressure!.cpu!.some.total).to.equal(12345);
  });

  it('The statistics of a container without processes, or without cgroups, are undefined', async () => {
    expect(await readStats([place(2, { ...V2, 'cgroup.procs': '' })])).to.equal(undefined);
    const gone = place(2, V2);
    rmSync(gone.dir, { recursive: true });
    expect(await readStats([gone])).to.equal(undefined);
    expect(await readStats([])).to.equal(undefined);
    // 4194305 is no pid: there cannot be more than 2^22.
    expect(await readStats([place(2, V2)], 4_194_305)).to.equal(undefined);
  });

  it('The statistics have all of the machine’s time but what was stolen, and guests’, which is user’s too', () => {
    const text = `cpu  10 20 30 400 5 6 7 1000 2000 4000
cpu0 5 10 15 200 2 3 3 500 1000 2000
cpu2 5 10 15 200 3 3 4 500 1000 2000
intr 12 34
ctxt 1
`;
    expect(parseProcStat(text)).to.deep.equal({ systemUsage: 478 * 1e7, onlineCpus: 2 });
  });

  it('The statistics make a percentage of one processor', () => {
    const at = (usage: number, systemUsage: number): ContainerStats => ({
      read: '',
      cpu: {
        usage,
        systemUsage,
        user: 0,
        system: 0,
        onlineCpus: 4,
        throttling: { periods: 0, throttledPeriods: 0, throttledTime: 0 },
      },
    });
    expect(cpuPercent(at(0, 0), at(1e9, 4e9))).to.equal(100);
    expect(cpuPercent(at(1e9, 4e9), at(1.5e9, 12e9))).to.equal(25);
    expect(cpuPercent(at(1, 1), at(1, 2))).to.equal(0);
    expect(cpuPercent(at(1, 1), at(2, 1))).to.equal(0);
    expect(cpuPercent({ read: '' }, at(2, 1))).to.equal(0);
  });
});
