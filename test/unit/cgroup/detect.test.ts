import { expect } from 'chai';
import { detectCgroups } from '../../../lib/cgroup/detect.js';
import { parseMountinfo, visibleMounts } from '../../../lib/cgroup/mountinfo.js';
import {
  comountedV1,
  hybrid,
  type Machine,
  nestedV1,
  nothing,
  readersOf,
  systemdV2,
} from '../../support/cgroup-machines.js';

const detect = async (machine: Machine) => detectCgroups(readersOf(machine));

describe('cgroups: what the machine has', () => {
  it('A pure cgroup v2 is found', async () => {
    const layout = await detect(systemdV2);
    expect(layout.mode).to.equal('v2');
    expect(layout.hierarchies).to.have.length(1);
    const [only] = layout.hierarchies;
    expect(only).to.include({ version: 2, mountPoint: '/sys/fs/cgroup', mountRoot: '/' });
    expect(only).to.include({ cpus: '0-3', mems: '0', usable: true });
    expect(only?.ownPath).to.equal('/user.slice/user-1000.slice/user@1000.service');
    expect([...layout.controllers.keys()]).to.include.members(['cpu', 'io', 'memory', 'pids']);
    expect(layout.unified).to.equal(only);
  });

  it('Controllers that share a hierarchy are found, whatever the order of their names', async () => {
    const layout = await detect(comountedV1);
    expect(layout.mode).to.equal('v1');
    const cpu = layout.controllers.get('cpu');
    expect(cpu).to.equal(layout.controllers.get('cpuacct'));
    expect(cpu).to.include({ mountPoint: '/sys/fs/cgroup/cpu,cpuacct', ownPath: '/user.slice' });
    expect(cpu?.controllers).to.deep.equal(['cpu', 'cpuacct']);
    expect(layout.controllers.get('cpuset')).to.include({ cpus: '0-7', mems: '0-1' });
    expect(layout.unified).to.equal(undefined);
  });

  it('A named hierarchy is kept apart from the controllers', async () => {
    const layout = await detect(comountedV1);
    const systemd = layout.hierarchies.find((h) => h.name === 'systemd');
    expect(systemd?.controllers).to.deep.equal([]);
    expect(systemd?.ownPath).to.equal('/user.slice/user-0.slice/user@0.service');
    expect([...layout.controllers.values()]).not.to.include(systemd);
  });

  it('The controllers that the kernel was told to leave out are reported', async () => {
    const layout = await detect(comountedV1);
    expect([...layout.disabled]).to.deep.equal(['blkio']);
  });

  it('The v1 controllers of a hybrid machine are taken, and its cgroup2 is noted', async () => {
    const layout = await detect(hybrid);
    expect(layout.mode).to.equal('hybrid');
    expect(layout.controllers.get('memory')).to.include({ version: 1, ownPath: '/some/where' });
    expect(layout.controllers.get('hugetlb')?.version).to.equal(2);
    expect(layout.unified?.mountPoint).to.equal('/sys/fs/cgroup/unified');
  });

  it('A mount that shows a part of the hierarchy is found, and a read-only one is left alone', async () => {
    const layout = await detect(nestedV1);
    expect(layout.mode).to.equal('v1');
    expect(layout.controllers.get('memory')?.mountRoot).to.equal('/docker/4f5e');
    expect(layout.controllers.has('blkio')).to.equal(false);
    const blkio = layout.hierarchies.find((h) => h.controllers.includes('blkio'));
    expect(blkio).to.include({ usable: false, readOnly: true });
  });

  it('Only what this user may write to counts', async () => {
    const layout = await detect({ ...systemdV2, notWritable: ['/sys/fs/cgroup'] });
    expect(layout.mode).to.equal('none');
    expect(layout.controllers.size).to.equal(0);
    expect(layout.hierarchies).to.have.length(1);
  });

  it('Nothing is found where there is nothing', async () => {
    expect(await detect(nothing)).to.deep.include({ mode: 'none', hierarchies: [] });
    expect((await detect({ files: {} })).mode).to.equal('none');
  });

  it('The customary path is preferred when a hierarchy is mounted twice', async () => {
    const twice = `${systemdV2.files['/proc/self/mountinfo']!}90 27 0:25 / /run/cilium/cgroupv2 rw - cgroup2 none rw\n`;
    const files = { ...systemdV2.files, '/proc/self/mountinfo': twice };
    const layout = await detect({ ...systemdV2, files });
    expect(layout.hierarchies.map((h) => h.mountPoint)).to.deep.equal(['/sys/fs/cgroup']);
  });

  it('The running machine is looked at once', async () => {
    const [first, second] = await Promise.all([detectCgroups(), detectCgroups()]);
    expect(first).to.equal(second);
    for (const { mountPoint, files } of first.hierarchies) {
      expect([...files], mountPoint).to.include('cgroup.procs');
    }
  });
});

describe('mountinfo', () => {
  it('Escapes, optional fields and their absence are read', () => {
    const [one, two] = parseMountinfo(
      '36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 shared:7 - ext3 /dev/root rw,errors=continue\n' +
        '37 35 0:3 / /proc rw - proc proc rw\nnonsense\n',
    );
    expect(one).to.deep.equal({
      id: 36,
      parent: 35,
      root: '/mnt1',
      mountPoint: '/mnt 2',
      options: ['rw', 'noatime'],
      fsType: 'ext3',
      superOptions: ['rw', 'errors=continue'],
    });
    expect(two?.mountPoint).to.equal('/proc');
  });

  it('Mounts that another one covers are left out', () => {
    const entries = parseMountinfo(`1 0 8:1 / / rw - ext4 a rw
2 1 0:9 / /sys/fs/cgroup rw - cgroup2 old rw
3 1 0:2 / /sys rw - sysfs sysfs rw
4 3 0:9 / /sys/fs/cgroup rw - cgroup2 lower rw
5 4 0:9 / /sys/fs/cgroup rw - cgroup2 upper rw
`);
    expect(visibleMounts(entries, ['cgroup2']).map((entry) => entry.id)).to.deep.equal([5]);
  });
});
