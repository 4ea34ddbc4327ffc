import { expect } from 'chai';
import { normalize } from '../../../../lib/engine/options/config.js';
import type { RunOptions } from '../../../../lib/engine/options/options.js';
import {
  checkSources,
  NO_SOURCES,
  type SourceDevice,
} from '../../../../lib/engine/spec/sources.js';
import { type SpecFacts, toSpec } from '../../../../lib/engine/spec/to-spec.js';
import type { Spec } from '../../../../lib/oci/runtime-spec.js';
import { expectError, expectRejection } from '../../support/expect-error.js';

const ID = 'abcdef012345'.padEnd(64, '6');
const ROOT = { uid: 0, gid: 0, additionalGids: [0], home: '/root' };
const IMAGE = { env: ['LANG=C'], cmd: [], entrypoint: [] };

function configOf(options: RunOptions): ReturnType<typeof normalize> {
  return normalize(['sh', '-c', 'true'], options, IMAGE, { cpus: '0-3', mems: '0' });
}

function spec(options: RunOptions = {}, facts: Partial<SpecFacts> = {}): Spec {
  const config = configOf(options);
  const idRange = config.userns === 'auto' ? { base: 1_000_000, size: 65_536 } : undefined;
  return toSpec(config, { id: ID, user: ROOT, idRange, ...facts });
}

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

function mountAt(from: Spec, destination: string): NonNullable<Spec['mounts']>[number] | undefined {
  return from.mounts?.find((mount) => mount.destination === destination);
}

describe('toSpec', () => {
  it('The specification has the whole default container', () => {
    const { linux, mounts, process, ...rest } = plain(spec()) as Record<
      string,
      Record<string, unknown>
    >;
    expect(rest).to.deep.equal({
      ociVersion: '1.3.0',
      root: { path: 'rootfs', readonly: false },
      hostname: 'abcdef012345',
    });
    const { capabilities, ...program } = process as { capabilities: Record<string, string[]> };
    expect(program).to.deep.equal({
      terminal: false,
      user: { uid: 0, gid: 0, additionalGids: [0] },
      args: ['sh', '-c', 'true'],
      env: [
        'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        'HOSTNAME=abcdef012345',
        'LANG=C',
        'HOME=/root',
      ],
      cwd: '/',
      rlimits: [],
      noNewPrivileges: false,
    });
    expect(Object.entries(capabilities).map(([set, names]) => [set, names.length])).to.deep.equal([
      ['bounding', 14],
      ['effective', 14],
      ['permitted', 14],
      ['inheritable', 0],
      ['ambient', 0],
    ]);
    expect(
      (mounts as unknown as { destination: string; type: string }[]).map(
        ({ destination, type }) => `${type} ${destination}`,
      ),
    ).to.deep.equal([
      'proc /proc',
      'tmpfs /dev',
      'devpts /dev/pts',
      'sysfs /sys',
      'cgroup /sys/fs/cgroup',
      'mqueue /dev/mqueue',
      'tmpfs /dev/shm',
    ]);
    const { devices, resources, ...kernel } = linux!;
    expect(kernel).to.deep.equal({
      uidMappings: [{ containerID: 0, hostID: 1_000_000, size: 65_536 }],
      gidMappings: [{ containerID: 0, hostID: 1_000_000, size: 65_536 }],
      namespaces: ['mount', 'uts', 'ipc', 'pid', 'network', 'user', 'cgroup'].map((type) => ({
        type,
      })),
      cgroupsPath: `/caisson/${ID}`,
      sysctl: {},
      maskedPaths: [
        '/proc/acpi',
        '/proc/asound',
        '/proc/interrupts',
        '/proc/kcore',
        '/proc/keys',
        '/proc/latency_stats',
        '/proc/sched_debug',
        '/proc/scsi',
        '/proc/timer_list',
        '/proc/timer_stats',
        '/sys/devices/virtual/powercap',
        '/sys/firmware',
      ],
      readonlyPaths: ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'],
    });
    expect((devices as { path: string }[]).map(({ path }) => path)).to.deep.equal([
      '/dev/null',
      '/dev/zero',
      '/dev/full',
      '/dev/random',
      '/dev/urandom',
      '/dev/tty',
    ]);
    const rules = (resources as { devices: { allow: boolean; major?: number }[] }).devices;
    expect(rules[0]).to.deep.equal({ allow: false, access: 'rwm' });
    expect(Object.keys(resources as object)).to.deep.equal(['devices']);
  });

  it('The specification masks what this machine has beside, but for a privileged container', () => {
    const cpuMasks = ['/sys/devices/system/cpu/cpu0/thermal_throttle'];
    expect(spec({}, { cpuMasks }).linux?.maskedPaths).to.include.members([
      '/proc/kcore',
      ...cpuMasks,
    ]);
    expect(spec({ privileged: true }, { cpuMasks }).linux?.maskedPaths).to.deep.equal([]);
  });

  it('The specification keeps only the bounding set for who is not root', () => {
    const { capabilities } = spec({}, { user: { ...ROOT, uid: 1000 } }).process ?? {};
    expect(capabilities?.bounding).to.have.length(14);
    expect(capabilities?.effective).to.deep.equal([]);
    expect(capabilities?.permitted).to.deep.equal([]);
  });

  it('The specification writes limits as OCI has them', () => {
    const { resources } =
      spec({
        memory: '64m',
        memorySwap: -1,
        cpuShares: 512,
        cpus: 0.5,
        cpusetCpus: '1',
        pidsLimit: 9,
        blkioWeight: 10,
      }).linux ?? {};
    expect(plain({ ...resources, devices: undefined })).to.deep.equal({
      memory: { limit: 67_108_864, swap: -1 },
      cpu: { shares: 512, quota: 50_000, period: 100_000, cpus: '1' },
      pids: { limit: 9 },
      blockIO: { weight: 10 },
    });
  });

  it("The specification maps bind mounts, and leaves them alone with the host's users", () => {
    const own = mountAt(spec({ volumes: ['/a:/b:ro'] }), '/b');
    expect(own?.options).to.deep.equal(['rbind', 'rprivate', 'ro', 'rro', 'rnodev', 'ridmap']);
    expect(own?.uidMappings).to.deep.equal([{ containerID: 0, hostID: 1_000_000, size: 65_536 }]);
    const host = mountAt(spec({ volumes: ['/a:/b'], userns: 'host' }), '/b');
    expect(host).to.deep.equal({
      destination: '/b',
      type: 'bind',
      source: '/a',
      options: ['rbind', 'rprivate', 'rnodev'],
    });
    expect(mountAt(spec({ tmpfs: ['/t'] }), '/t')).to.deep.include({
      type: 'tmpfs',
      source: 'tmpfs',
    });
  });

  it('The specification lets nodes in volumes be opened only where the caller has opened devices', () => {
    const options = (more: RunOptions) =>
      mountAt(spec({ volumes: ['/a:/b'], ...more }), '/b')?.options;
    expect(options({})).to.include('rnodev');
    expect(options({ devices: ['/dev/fuse'] })).to.include('rnodev');
    expect(options({ privileged: true })).not.to.include('rnodev');
    expect(options({ deviceCgroupRules: ['c 10:200 rw'] })).not.to.include('rnodev');
  });

  it("The specification shows a device that is a volume as the container's own, if it may have it", () => {
    const volume = (path: string, major: number, minor: number): SourceDevice => ({
      source: '/dev/x',
      node: { path, type: 'c', major, minor },
      rule: { allow: true, type: 'c', major, minor, access: 'rwm' },
    });
    const made = spec(
      { volumes: ['/dev/x:/n', '/dev/y:/other'] },
      { sources: { ...NO_SOURCES, volumes: [volume('/n', 1, 3), volume('/other', 10, 200)] } },
    );
    expect(made.linux?.devices?.at(-1)).to.include({ path: '/n', major: 1, minor: 3 });
    expect(mountAt(made, '/n')).to.equal(undefined);
    expect(mountAt(made, '/other')?.options).to.include('rnodev');
  });

  it("The specification maps one user alone where a volume has an owner for the container's user", () => {
    const owners = new Map([['/b', { uid: 1000, gid: 100 }]]);
    const user = { ...ROOT, uid: 7, gid: 8 };
    const made = spec({ volumes: ['/a:/b'] }, { user, sources: { ...NO_SOURCES, owners } });
    expect(mountAt(made, '/b')).to.deep.include({
      uidMappings: [
        { containerID: 1000, hostID: 1_000_007, size: 1 },
        { containerID: 0, hostID: 0, size: 1000 },
        { containerID: 1001, hostID: 1001, size: 523_287 },
      ],
      gidMappings: [
        { containerID: 100, hostID: 1_000_008, size: 1 },
        { containerID: 0, hostID: 0, size: 100 },
        { containerID: 101, hostID: 101, size: 524_187 },
      ],
    });
  });

  it("The specification refuses a tmpfs whose owner is none of the container's users", () => {
    expectError(() => spec({ tmpfs: ['/t:uid=65536'] }), 'ERR_INVALID_OPTION', /65536/);
  });

  it("The specification replaces default mounts that the user's cover", () => {
    expect(
      spec({ tmpfs: { '/dev/shm': 'size=1m' } }).mounts?.filter(
        ({ destination }) => destination === '/dev/shm',
      ),
    ).to.have.length(1);
    const ownDev = spec({ volumes: ['/dev:/dev'] });
    expect(ownDev.mounts?.map(({ destination }) => destination)).to.deep.equal([
      '/proc',
      '/sys',
      '/sys/fs/cgroup',
      '/dev',
    ]);
    expect(ownDev.linux?.devices).to.deep.equal([]);
  });

  it("The specification binds the host's sysfs where a new one may not be mounted", () => {
    expect(mountAt(spec({ network: 'host' }), '/sys')).to.deep.include({
      type: 'bind',
      source: '/sys',
    });
    expect(mountAt(spec({ network: 'host', userns: 'host' }), '/sys')?.type).to.equal('sysfs');
    expect(
      spec({ network: 'host', userns: 'host' }).linux?.namespaces?.map(({ type }) => type),
    ).to.deep.equal(['mount', 'uts', 'ipc', 'pid', 'cgroup']);
  });

  it('The specification leaves out the namespaces that are shared with the host, and binds what cannot be mounted', () => {
    const types = (options: RunOptions) =>
      spec(options).linux?.namespaces?.map(({ type }) => type) ?? [];
    expect(types({ pid: 'host', ipc: 'host', uts: 'host', cgroupns: 'host' })).to.deep.equal([
      'mount',
      'network',
      'user',
    ]);
    expect(types({ ipc: 'shareable' })).to.deep.equal(types({}));
    expect(types({ ipc: 'none' })).to.deep.equal(types({}));
    expect(mountAt(spec({ pid: 'host' }), '/proc')).to.deep.include({
      type: 'bind',
      source: '/proc',
    });
    expect(mountAt(spec({ pid: 'host', userns: 'host' }), '/proc')?.type).to.equal('proc');
    expect(mountAt(spec({ ipc: 'none' }), '/dev/shm')).to.equal(undefined);
    expect(mountAt(spec({ ipc: 'none' }), '/dev/mqueue')?.type).to.equal('mqueue');
    expect(mountAt(spec({ ipc: 'host' }), '/dev/shm')?.source).to.equal('/dev/shm');
    expect(mountAt(spec({ ipc: 'host' }), '/dev/mqueue')).to.equal(undefined);
    expect(mountAt(spec({ ipc: 'host', userns: 'host' }), '/dev/mqueue')?.type).to.equal('mqueue');
    expect(spec({ uts: 'host' }).hostname).to.equal(undefined);
  });

  it('The specification hides nothing from a privileged container', () => {
    const { linux, process } = spec({ privileged: true });
    expect(linux?.maskedPaths).to.deep.equal([]);
    expect(linux?.readonlyPaths).to.deep.equal([]);
    expect(linux?.uidMappings).to.equal(undefined);
    expect(linux?.resources?.devices).to.deep.equal([{ allow: true, access: 'rwm' }]);
    expect(process?.capabilities?.effective).to.have.length(41);
    expect(mountAt(spec({ privileged: true }), '/sys')?.options).to.include('rw');
    expect(mountAt(spec({ privileged: true }), '/sys/fs/cgroup')?.options).to.include('rw');
  });

  it('The specification has a terminal of the size that was asked', () => {
    const { process } = spec({ tty: { cols: 100, rows: 30 } });
    expect(process?.terminal).to.equal(true);
    expect(process?.consoleSize).to.deep.equal({ height: 30, width: 100 });
    expect(process?.env).to.include('TERM=xterm');
  });

  it('The specification takes the name that it is given', () => {
    expect(spec({ hostname: 'box' }).process?.env).to.include('HOSTNAME=box');
    expect(spec({}, { hostname: 'machine' }).hostname).to.equal('machine');
    expect(spec({ domainname: 'example.org' }).domainname).to.equal('example.org');
  });

  it('A user of the image that the container has no id for is refused', () => {
    expectError(
      () => spec({}, { user: { ...ROOT, uid: 70_000 } }),
      'ERR_INVALID_OPTION',
      /user: the id 70000/,
    );
    expectError(
      () => spec({}, { user: { ...ROOT, additionalGids: [0, 65_536] } }),
      'ERR_INVALID_OPTION',
      /65536/,
    );
  });

  it('The specification shares what is the same for all', () => {
    expect(spec().linux?.devices).to.equal(spec().linux?.devices);
    expect(spec().linux?.maskedPaths).to.equal(spec().linux?.maskedPaths);
  });
});

describe('checkSources', () => {
  it('The check does not look when nothing is named', async () => {
    expect(await checkSources(configOf({}))).to.deep.equal({
      devices: [],
      volumes: [],
      owners: new Map(),
      throttles: {},
    });
  });

  it('The check finds devices and their numbers', async () => {
    const config = configOf({ devices: ['/dev/null:/dev/nothing:rw'] });
    const sources = await checkSources(config);
    expect(sources.devices).to.have.length(1);
    expect(sources.devices[0]?.node).to.deep.include({
      path: '/dev/nothing',
      type: 'c',
      major: 1,
      minor: 3,
    });
    expect(sources.devices[0]?.rule).to.deep.equal({
      allow: true,
      type: 'c',
      major: 1,
      minor: 3,
      access: 'rw',
    });
    const { linux } = toSpec(config, { id: ID, user: ROOT, sources });
    expect(linux?.devices).to.have.length(7);
    expect(linux?.resources?.devices?.at(-1)).to.deep.include({ major: 1, minor: 3, access: 'rw' });
  });

  it('The check refuses what is not there, or not what it should be', async () => {
    await expectRejection(
      checkSources(configOf({ volumes: ['/no/such:/b'] })),
      'ERR_NO_SUCH_SOURCE',
      /volumes: "\/no\/such" does not exist/,
    );
    await expectRejection(
      checkSources(configOf({ devices: ['/dev/nope'] })),
      'ERR_NO_SUCH_SOURCE',
      /devices: "\/dev\/nope"/,
    );
    await expectRejection(
      checkSources(configOf({ devices: ['/etc/passwd:/dev/x'] })),
      'ERR_INVALID_OPTION',
      /not a device/,
    );
    await expectRejection(
      checkSources(configOf({ securityOpt: ['seccomp=/nope.json'] })),
      'ERR_NO_SUCH_SOURCE',
      /securityOpt: /,
    );
    await expectRejection(
      checkSources(configOf({ deviceReadBps: ['/dev/null:1m'] })),
      'ERR_INVALID_OPTION',
      /deviceReadBps: "\/dev\/null" is not a block device/,
    );
    await expectRejection(
      checkSources(configOf({ deviceWriteIops: ['/dev/nope:1'] })),
      'ERR_NO_SUCH_SOURCE',
      /deviceWriteIops: /,
    );
  });

  it("The check shows a privileged container the host's nodes", async () => {
    const config = configOf({ privileged: true });
    const { devices } =
      toSpec(config, { id: ID, user: ROOT, sources: await checkSources(config) }).linux ?? {};
    expect(devices?.filter(({ path }) => path === '/dev/null')).to.have.length(1);
    expect(
      devices?.every(({ path }) => path.startsWith('/dev/') && !path.startsWith('/dev/pts/')),
    ).to.equal(true);
  });
});
