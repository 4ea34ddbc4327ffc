/** Each ability that can be missing, its reason and its remedy, from machines that are not this one. */
import { expect } from 'chai';
import { makeLayout } from '../../../lib/cgroup/layout.js';
import { type Ability, listAbilities } from '../../../lib/info/abilities.js';
import { listControllers } from '../../../lib/info/controllers.js';
import type { MachineFacts } from '../../../lib/info/facts.js';
import { explainRefusal } from '../../../lib/host/refusal.js';
import type { Confinement } from '../../../lib/host/confinement.js';
import { parseProbe } from '../../../lib/native/probe.js';

const EVERYTHING =
  `memfd pidfd clone.cgroup bpf.devices seccomp.errno seccomp.allow seccomp userns userns.power
  ns.mount ns.uts ns.ipc ns.pid ns.net ns.cgroup mount.namespaces mount.private idmap.data mount.proc mount.sysfs
  mount.tmpfs mknod mknod.open overlay.detached mount.attribute mount.pivot overlay overlay.userxattr setns`
    .split(/\s+/)
    .map((name) => `${name} 0 -\n`)
    .join('');

const ALL = (1n << 41n) - 1n;

const unified = {
  version: 2,
  controllers: ['cpu', 'cpuset', 'io', 'memory', 'pids'],
  mountPoint: '/sys/fs/cgroup',
  mountRoot: '/',
  usable: true,
  readOnly: false,
  files: new Set<string>(),
} as const;

const root: Confinement = {
  uid: 0,
  capabilities: ALL,
  filtered: false,
  bound: false,
  ownUserNamespace: false,
};
const user: Confinement = { ...root, uid: 1000, capabilities: 0n };
const contained: Confinement = { ...root, inside: 'podman' };

const machine: MachineFacts = {
  kernel: '6.12.1',
  confinement: root,
  userName: 'root',
  probe: parseProbe(EVERYTHING),
  layout: makeLayout([unified], new Set()),
  cgroupFiles: new Set(['cgroup.kill', 'cgroup.freeze']),
  newuidmap: { path: '/usr/bin/newuidmap', privileged: true },
  newgidmap: { path: '/usr/bin/newgidmap', privileged: true },
  subuids: [{ first: 100_000, size: 65_536 }],
  subgids: [{ first: 100_000, size: 65_536 }],
  freeIds: 165_536,
  data: { path: '/var/lib', writable: true, overlay: false },
  pasta: '/usr/bin/pasta',
  slirp4netns: '/usr/bin/slirp4netns',
  tun: 'open',
  frameFilter: true,
};

/** What fails, by name: `call errno-number`. */
function failing(...lines: string[]): Pick<MachineFacts, 'probe'> {
  return { probe: parseProbe(`${EVERYTHING}${lines.join('\n')}\n`) };
}

function ability(name: string, facts: Partial<MachineFacts>): Ability {
  return listAbilities({ ...machine, ...facts }).find((one) => one.name === name)!;
}

describe('abilities', () => {
  it('All abilities are there on a machine that has everything', () => {
    expect(listAbilities(machine).filter(({ available }) => !available)).to.deep.equal([]);
    expect(ability('seccomp', {}).detail).to.equal('errno allow');
  });

  const MISSING: readonly (readonly [
    what: string,
    name: string,
    facts: Partial<MachineFacts>,
    reason: RegExp,
    remedy: RegExp,
  ])[] = [
    ['no root', 'privileges', { confinement: user }, /not root/, /sudo/],
    [
      'root of a container without a capability',
      'privileges',
      { confinement: { ...contained, capabilities: ALL & ~(1n << 21n) } },
      /without CAP_SYS_ADMIN$/,
      /--cap-add SYS_ADMIN, or --privileged/,
    ],
    [
      'a data root on an overlay',
      'data-root',
      { data: { path: '/var/lib', writable: true, overlay: true } },
      /overlay/,
      /volume/,
    ],
    [
      'a data root that is not writable',
      'data-root',
      { data: { path: '/var/lib', writable: false, overlay: false } },
      /cannot be written/,
      /--data-root/,
    ],
    [
      'user namespaces that a sysctl forbids',
      'user-namespaces',
      { ...failing('userns 28 unshare'), maxUserNamespaces: '0' },
      /max_user_namespaces is 0/,
      /sysctl user.max_user_namespaces=/,
    ],
    [
      'user namespaces that are used up',
      'user-namespaces',
      { ...failing('userns 28 unshare'), confinement: user, maxUserNamespaces: '10000' },
      /as many as .*in use .*10000/,
      /sysctl user.max_user_namespaces=20000$/,
    ],
    [
      'user namespaces that are used up in an outer one',
      'user-namespaces',
      { ...failing('userns 28 unshare'), maxUserNamespaces: '2147483647' },
      /of an outer user namespace is reached/,
      /sysctl user.max_user_namespaces=\d+, there$/,
    ],
    [
      'user namespaces for root only',
      'user-namespaces',
      { ...failing('userns 1 unshare'), confinement: user, unprivilegedUserns: '0' },
      /unprivileged_userns_clone is 0/,
      /sysctl kernel.unprivileged_userns_clone=1/,
    ],
    [
      'user namespaces without power',
      'user-namespaces',
      { ...failing('userns.power 1 unshare'), confinement: user, apparmorRestrictsUserns: '1' },
      /apparmor_restrict_unprivileged_userns is 1/,
      /sysctl kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile/,
    ],
    [
      'newuidmap not installed',
      'subordinate-ids',
      { confinement: user, newuidmap: { privileged: false } },
      /newuidmap is not installed/,
      /uidmap/,
    ],
    [
      'newuidmap without its rights',
      'subordinate-ids',
      { confinement: { ...user, bound: true } },
      /no-new-privileges/,
      /NoNewPrivileges=no/,
    ],
    ['pasta not installed', 'pasta', { pasta: undefined }, /not installed/, /apt install passt$/],
    [
      'slirp4netns not installed',
      'slirp4netns',
      { slirp4netns: undefined },
      /not installed/,
      /apt install slirp4netns$/,
    ],
    ['no tap devices', 'pasta', { tun: 'missing' }, /tun is missing/, /modprobe tun/],
    [
      'no tap devices in a container',
      'slirp4netns',
      { tun: 'missing', confinement: contained },
      /tun is missing/,
      /--device \/dev\/net\/tun/,
    ],
    ['tap devices of root’s alone', 'pasta', { tun: 'closed' }, /all users/, /chmod 0666/],
    [
      'newgidmap without set-user-id',
      'subordinate-ids',
      { confinement: user, newgidmap: { path: '/usr/bin/newgidmap', privileged: false } },
      /set-user-id/,
      /chmod u\+s \/usr\/bin\/newgidmap/,
    ],
    [
      'no range in subgid',
      'subordinate-ids',
      { confinement: user, userName: 'ann', subgids: [] },
      /\/etc\/subgid has no range for ann/,
      /usermod --add-subgids 165536-231071 ann/,
    ],
    [
      'a masked /proc',
      'proc',
      { ...failing('mount.proc 1 fsmount'), confinement: { ...contained, ownUserNamespace: true } },
      /\/proc are masked/,
      /unmask=ALL/,
    ],
    [
      'a filter that refuses mounts',
      'mounts',
      { ...failing('mount.tmpfs 1 fsopen'), confinement: { ...contained, filtered: true } },
      /seccomp filter .* refuses fsopen/,
      /--security-opt seccomp=unconfined/,
    ],
    [
      'a filter that hides clone3',
      'clone-into-cgroup',
      { ...failing('clone.cgroup 38 clone3'), confinement: { ...contained, filtered: true } },
      /seccomp filter .* clone3 .* ENOSYS/,
      /--security-opt seccomp=unconfined/,
    ],
    [
      'a security module that refuses mounts',
      'mounts',
      {
        ...failing('mount.private 13 mount'),
        confinement: { ...contained, profile: 'docker-default (enforce)' },
      },
      /docker-default/,
      /apparmor=unconfined/,
    ],
    [
      'no right to make device nodes',
      'device-nodes',
      {
        ...failing('mknod 1 mknodat'),
        confinement: { ...contained, capabilities: ALL & ~(1n << 27n) },
      },
      /no CAP_MKNOD/,
      /--cap-add MKNOD/,
    ],
    [
      'a filesystem without idmaps',
      'idmapped-mounts',
      failing('idmap.data 22 mount_setattr'),
      /\/var\/lib cannot be idmapped/,
      /ext4/,
    ],
    [
      'overlay by path only',
      'overlay-descriptors',
      failing('overlay.detached 22 fsconfig'),
      /only layers that are mounted/,
      /6\.15/,
    ],
    ['an old clone3', 'clone-into-cgroup', failing('clone.cgroup 22 clone3'), /cannot/, /5\.7/],
    [
      'no cgroup.kill',
      'cgroup-kill',
      { cgroupFiles: new Set(['cgroup.freeze']) },
      /no cgroup.kill/,
      /5\.14/,
    ],
    ['no filters', 'seccomp', failing('seccomp 22 seccomp'), /no filters/, /CONFIG_SECCOMP_FILTER/],
    [
      'read-only cgroups',
      'cgroups',
      {
        layout: makeLayout([{ ...unified, usable: false, readOnly: true }], new Set()),
        confinement: contained,
      },
      /read-only/,
      /--privileged/,
    ],
    [
      'no delegation',
      'cgroups',
      {
        layout: makeLayout([{ ...unified, usable: false }], new Set()),
        confinement: user,
        delegation: 'log in',
      },
      /not writable for this user/,
      /log in/,
    ],
    ['no cgroups', 'cgroups', { layout: makeLayout([], new Set()) }, /mounted/, /mount -t cgroup2/],
    [
      'what was not reached',
      'setns',
      { probe: parseProbe('userns 0 -\n') },
      /not tried/,
      /missing here/,
    ],
    [
      'a probe that cannot run',
      'mounts',
      { probe: undefined, probeError: 'spawn EACCES' },
      /spawn EACCES/,
      /./,
    ],
  ];
  for (const [what, name, facts, reason, remedy] of MISSING) {
    it(`The reason and the remedy are named: ${what}`, () => {
      const found = ability(name, facts);
      expect(found.available).to.equal(false);
      expect(found.reason).to.match(reason);
      expect(found.remedy).to.match(remedy);
    });
  }

  it('The abilities of controllers are the limits they give, and why one is missing', () => {
    const found = listControllers(
      makeLayout([{ ...unified, controllers: ['cpu', 'memory'] }], new Set(['io'])),
    );
    const by = new Map(found.map((controller) => [controller.name, controller]));
    expect(by.get('cpu')).to.include({ available: true, version: 2 });
    expect(by.get('memory')!.limits).to.deep.equal(['memory', 'memoryReservation', 'memorySwap']);
    expect(by.get('io')!.remedy).to.match(/cgroup_disable=io/);
    expect(by.get('pids')!.reason).to.match(/not in \/sys\/fs\/cgroup\/cgroup.controllers/);
  });

  it('A lack that has no known reason is explained by nothing', () => {
    expect(explainRefusal({ call: 'mount', errno: 'EPERM' }, root)).to.equal(undefined);
    expect(explainRefusal({ call: 'mount', errno: 'EINVAL' }, contained)).to.equal(undefined);
  });

  it('Where frames cannot be told apart, it is said why', () => {
    const of = (frameFilter: boolean | string | undefined) =>
      listAbilities({ ...machine, frameFilter }).find(({ name }) => name === 'frame-filter');
    expect(of(true)).to.include({ available: true });
    expect(of(false))
      .to.include({ available: false })
      .and.to.have.property('remedy')
      .that.includes('CONFIG_NF_TABLES_BRIDGE');
    expect(of('no nf_tables')).to.include({ available: false, reason: 'no nf_tables' });
    expect(of(undefined)).to.have.property('remedy').that.includes('root');
  });
});
