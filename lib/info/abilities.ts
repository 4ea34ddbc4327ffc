/** What this machine can do for this user, and for what it cannot: why, and what would give it. Pure. */
import type { CgroupHierarchy } from '../cgroup/layout.js';
import { writableCgroups } from '../cgroup/limits/missing.js';
import { CAPABILITIES } from '../oci/capability-sets.js';
import type { MachineFacts, MapTool } from './facts.js';
import { explainRefusal, type Refusal, type RefusedCall } from '../host/refusal.js';
import { BOUND, grantRanges, SUBORDINATE_FILES } from '../host/subordinate-ids.js';
import { hasCapability, isMachineRoot } from '../host/confinement.js';
import { forbiddingSwitch, usedUp } from '../host/user-namespaces.js';

/** Something that containers need, and whether this machine has it. */
export interface Ability {
  /** Short and stable: for programs. */
  readonly name: string;
  /** What it is for. */
  readonly gives: string;
  /** Whether this machine and this user have it. */
  readonly available: boolean;
  /** More about it, where there is more. */
  readonly detail?: string | undefined;
  /** Of what is missing: why it is … */
  readonly reason?: string | undefined;
  /** … and what would give it. */
  readonly remedy?: string | undefined;
}

type Verdict = { readonly detail?: string | undefined } | Refusal;

export function listAbilities(facts: MachineFacts): Ability[] {
  return ABILITIES.map(([name, gives, judge]) => {
    const verdict = judge(facts);
    return { name, gives, available: !('reason' in verdict), ...verdict };
  });
}

/** Needed of root: what a start does, and the steps that do it. */
const NEEDED =
  'SYS_ADMIN CHOWN DAC_OVERRIDE FOWNER FSETID SETUID SETGID SETPCAP SETFCAP MKNOD KILL SYS_CHROOT';

const ABILITIES: readonly (readonly [
  name: string,
  gives: string,
  judge: (facts: MachineFacts) => Verdict,
])[] = [
  ['privileges', 'containers with every option', privileges],
  ['data-root', 'a place for images and for what containers write', dataRoot],
  ['user-namespaces', 'container root that is nobody on the host', userNamespaces],
  ['subordinate-ids', 'more than one user in a rootless container', subordinateIds],
  [
    'namespaces',
    'mounts, processes, network, hostname, IPC and cgroups of its own',
    probed('ns.mount', 'ns.uts', 'ns.ipc', 'ns.pid', 'ns.net', 'ns.cgroup'),
  ],
  [
    'mounts',
    'a root filesystem of its own',
    probed('mount.namespaces', 'mount.private', 'mount.tmpfs', 'mount.attribute', 'mount.pivot'),
  ],
  ['proc', '/proc and /sys of its own', procAndSys],
  ['device-nodes', '/dev/null and its kin', deviceNodes],
  ['idmapped-mounts', 'image layers shared between containers with other users', idmapped],
  ['overlay', 'a writable layer above an image', probed('overlay')],
  ['overlay-descriptors', 'layers that are mounted nowhere', overlayDescriptors],
  ['overlay-userxattr', 'a writable layer of a rootless container', probed('overlay.userxattr')],
  ['setns', 'exec', probed('setns')],
  ['pidfd', 'signals that cannot hit another process', probed('pidfd')],
  ['memfd', 'a start program that no container can overwrite', probed('memfd')],
  ['seccomp', 'a filter for system calls', seccomp],
  ['cgroups', 'limits, statistics, and an end of everything at once', cgroups],
  ['clone-into-cgroup', 'a first process that is born in its cgroup', cloneIntoCgroup],
  ['cgroup-kill', 'an end of everything in one step', cgroupKill],
  ['freezer', 'pause', freezer],
  ['device-filter', 'rules for devices', withoutFilter],
  [
    'frame-filter',
    'addresses on a bridge that no other container can take, and policies',
    frameFilter,
  ],
  ['pasta', 'a network for rootless containers: --network pasta', userNetwork('pasta')],
  ['slirp4netns', 'the same by another program: --network slirp4netns', userNetwork('slirp4netns')],
];

function frameFilter({ frameFilter: found }: MachineFacts): Verdict {
  if (found === true) return {};
  if (found === undefined) return { reason: 'networks with a bridge need root', remedy: 'run as root: sudo caisson …' }; // prettier-ignore
  if (found === false)
    return { reason: 'nf_tables of this kernel has no bridges', remedy: 'a kernel with CONFIG_NF_TABLES_BRIDGE=y' }; // prettier-ignore
  return { reason: found, remedy: 'a kernel with nf_tables: modprobe nf_tables' };
}

function privileges({ confinement }: MachineFacts): Verdict {
  const missing = NEEDED.split(' ').filter((name) => !hasCapability(confinement, `CAP_${name}`));
  if (isMachineRoot(confinement) && missing.length === 0) {
    const all = CAPABILITIES.every((name) => hasCapability(confinement, name));
    return {
      detail: `root${all ? '' : ', without some capabilities'}${confinement.inside === undefined ? '' : `, in ${confinement.inside === 'a container' ? '' : 'a container of '}${confinement.inside}`}`,
    };
  }
  if (confinement.uid === 0 && confinement.ownUserNamespace)
    return {
      reason:
        'this is the root of a user namespace, and not the machine’s; see below for what its containers have',
      remedy:
        "the host's users for the outer container: --userns=host (caisson, Docker), rootful podman",
    };
  if (confinement.uid !== 0)
    return {
      reason: 'this user is not root; see below for what its containers have',
      remedy: 'run as root: sudo caisson …',
    };
  return {
    reason: `root without ${missing.map((name) => `CAP_${name}`).join(', ')}`,
    remedy:
      confinement.inside === undefined
        ? 'start it with these capabilities'
        : `${missing.map((name) => `--cap-add ${name}`).join(' ')}, or --privileged, for the outer container`,
  };
}

function dataRoot({ data }: MachineFacts): Verdict {
  if (!data.writable)
    return {
      reason: `${data.path} cannot be written`,
      remedy: 'another place: --data-root DIRECTORY',
    };
  if (data.overlay)
    return {
      reason: `${data.path} lies on an overlay, which takes no writable layer above it`,
      remedy:
        'a volume or a tmpfs there (-v data:/var/lib/caisson, --tmpfs /var/lib/caisson for the outer container), or --data-root on another filesystem',
    };
  return { detail: data.path };
}

function userNamespaces(facts: MachineFacts): Verdict {
  const { confinement, maxUserNamespaces } = facts;
  const made = outcome(facts, 'userns');
  const failed = made ?? outcome(facts, 'userns.power');
  if (failed === undefined)
    return maxUserNamespaces === undefined ? {} : { detail: `up to ${maxUserNamespaces}` };
  const found = forbiddingSwitch(facts, isMachineRoot(confinement));
  if (found !== undefined)
    return { reason: `${found.name} is ${found.value}, which forbids them`, remedy: found.remedy };
  if (failed.errno === 'ENOSPC') return usedUp(facts);
  if (failed.errno === 'EINVAL' && made !== undefined)
    return { reason: 'the kernel has none', remedy: 'a kernel with CONFIG_USER_NS=y' };
  return refusalOf(failed, facts);
}

/** In rootless containers they are the host's, bind-mounted: nothing is missing. */
function deviceNodes(facts: MachineFacts): Verdict {
  if (!isMachineRoot(facts.confinement)) return { detail: 'the host’s own' };
  return probed('mknod', 'mknod.open')(facts);
}

function subordinateIds({ confinement, userName, freeIds, ...facts }: MachineFacts): Verdict {
  if (isMachineRoot(confinement)) return { detail: 'root needs none' };
  if (confinement.uid === 0) return { detail: 'all ids of the outer user namespace' };
  for (const name of ['newuidmap', 'newgidmap'] as const) {
    const tool: MapTool = facts[name];
    if (tool.path === undefined)
      return {
        reason: `${name} is not installed`,
        remedy: 'apt install uidmap (shadow-utils on Fedora)',
      };
    if (!tool.privileged)
      return { reason: `${tool.path} is not set-user-id root`, remedy: `chmod u+s ${tool.path}` };
  }
  const ranges = { '/etc/subuid': facts.subuids, '/etc/subgid': facts.subgids };
  const lacking = SUBORDINATE_FILES.filter((file) => ranges[file].length === 0);
  if (lacking.length > 0)
    return {
      reason: `${lacking[0]} has no range for ${userName}`,
      remedy: grantRanges(userName, lacking, freeIds),
    };
  if (confinement.bound) return BOUND;
  const count = (all: typeof facts.subuids) => all.reduce((sum, { size }) => sum + size, 0);
  return { detail: `${count(facts.subuids)} user ids, ${count(facts.subgids)} group ids` };
}

function procAndSys(facts: MachineFacts): Verdict {
  for (const object of ['proc', 'sysfs']) {
    const failed = outcome(facts, `mount.${object}`);
    if (failed !== undefined) return refusalOf({ ...failed, object }, facts);
  }
  return {};
}

function idmapped(facts: MachineFacts): Verdict {
  const failed = outcome(facts, 'idmap.data');
  if (failed === undefined) return {};
  if (failed.errno === 'EINVAL')
    return {
      reason: `the filesystem of ${facts.data.path} cannot be idmapped`,
      remedy:
        'a data root on ext4, xfs or btrfs with Linux 5.19 or later, on tmpfs with 6.3; --userns=host needs none',
    };
  return refusalOf(failed, facts);
}

function overlayDescriptors(facts: MachineFacts): Verdict {
  const failed = outcome(facts, 'overlay.detached');
  if (failed === undefined) return {};
  if (outcome(facts, 'overlay') !== undefined) return refusalOf(failed, facts);
  return {
    reason:
      'this kernel takes only layers that are mounted; caisson mounts them for a moment where nobody else looks',
    remedy: 'Linux 6.15 or later',
  };
}

function seccomp(facts: MachineFacts): Verdict {
  const failed = outcome(facts, 'seccomp');
  if (failed?.errno === 'EINVAL' || failed?.errno === 'ENOSYS')
    return { reason: 'the kernel has no filters', remedy: 'a kernel with CONFIG_SECCOMP_FILTER=y' };
  if (failed !== undefined) return refusalOf(failed, facts);
  const actions = [...(facts.probe ?? [])]
    .filter(([name, { errno }]) => name.startsWith('seccomp.') && errno === undefined)
    .map(([name]) => name.slice('seccomp.'.length));
  return { detail: actions.join(' ') };
}

function cgroups({ layout, confinement, delegation }: MachineFacts): Verdict {
  const usable = layout.hierarchies.filter((hierarchy) => hierarchy.usable);
  if (usable.length > 0)
    return { detail: [...new Set(usable.map(({ version }) => `v${version}`))].sort().join(', ') };
  const seen = layout.hierarchies[0];
  if (seen === undefined)
    return {
      reason: 'cgroups are not mounted',
      remedy: 'mount -t cgroup2 none /sys/fs/cgroup, as root',
    };
  if (seen.readOnly)
    return {
      reason: `${seen.mountPoint} is mounted read-only`,
      remedy: `${writableCgroups(seen.version)}, for the outer container`,
    };
  return {
    reason: `${seen.mountPoint} is not writable for this user`,
    remedy:
      confinement.uid === 0
        ? 'a cgroup tree of its own for the outer container: --cgroupns private --privileged'
        : (delegation ?? 'a cgroup that is delegated to this user'),
  };
}

function unifiedOf({ layout }: MachineFacts): CgroupHierarchy | undefined {
  return layout.hierarchies.find(({ version }) => version === 2);
}

const NO_V2: Refusal = {
  reason: 'no cgroup v2 is mounted',
  remedy: 'systemd.unified_cgroup_hierarchy=1 on the kernel’s command line, or mount -t cgroup2',
};

function cloneIntoCgroup(facts: MachineFacts): Verdict {
  const failed = outcome(facts, 'clone.cgroup');
  if (failed === undefined) return unifiedOf(facts) === undefined ? NO_V2 : {};
  if (failed.errno === 'EINVAL' || (failed.errno === 'ENOSYS' && !facts.confinement.filtered))
    return { reason: `Linux ${facts.kernel} cannot`, remedy: 'Linux 5.7 or later' };
  return refusalOf(failed, facts);
}

/** Where there is no cgroup to look into, the kernel's version has to do. */
function hasFile({ cgroupFiles, kernel }: MachineFacts, file: string, ...since: number[]): boolean {
  if (cgroupFiles !== undefined) return cgroupFiles.has(file);
  const [major = 0, minor = 0] = kernel.split('.').map(Number);
  const [sinceMajor = 0, sinceMinor = 0] = since;
  return major > sinceMajor || (major === sinceMajor && minor >= sinceMinor);
}

function cgroupKill(facts: MachineFacts): Verdict {
  if (unifiedOf(facts) === undefined) return NO_V2;
  if (hasFile(facts, 'cgroup.kill', 5, 14)) return {};
  return {
    reason: 'cgroups of this kernel have no cgroup.kill; each process is killed by itself',
    remedy: 'Linux 5.14 or later',
  };
}

function freezer(facts: MachineFacts): Verdict {
  if (facts.layout.controllers.get('freezer')?.version === 1) return { detail: 'cgroup v1' };
  if (facts.layout.unified !== undefined && hasFile(facts, 'cgroup.freeze', 5, 2))
    return { detail: 'cgroup v2' };
  return {
    reason: 'neither the freezer of cgroup v1 nor cgroup.freeze of v2 is at hand',
    remedy: 'cgroups that can be written, with Linux 5.2 or later for v2',
  };
}

/** What is left then: lib/engine/spec/device-access.ts. */
function withoutFilter(facts: MachineFacts): Verdict {
  const verdict = deviceFilter(facts);
  if (!('reason' in verdict)) return verdict;
  const left =
    'devices are closed by nodev mounts alone, and options that need a filter are errors';
  return { ...verdict, reason: `${verdict.reason}; ${left}` };
}

function deviceFilter(facts: MachineFacts): Verdict {
  if (facts.layout.controllers.get('devices')?.version === 1) return { detail: 'cgroup v1' };
  const failed = outcome(facts, 'bpf.devices');
  if (failed === undefined && facts.layout.unified !== undefined) return { detail: 'BPF' };
  if (failed === undefined) return NO_V2;
  if (failed.errno === 'EINVAL' || failed.errno === 'ENOSYS')
    return {
      reason: 'the kernel has no such programs',
      remedy: 'a kernel with CONFIG_CGROUP_BPF=y',
    };
  return refusalOf(failed, facts);
}

function userNetwork(name: 'pasta' | 'slirp4netns'): (facts: MachineFacts) => Verdict {
  return ({ [name]: path, tun, confinement }) => {
    if (path === undefined)
      return {
        reason: `${name} is not installed`,
        remedy: `apt install ${name === 'pasta' ? 'passt' : name}`,
      };
    if (tun === 'missing')
      return {
        reason: '/dev/net/tun is missing',
        remedy:
          confinement.inside === undefined
            ? 'modprobe tun, as root'
            : '--device /dev/net/tun for the outer container',
      };
    if (tun === 'closed')
      return {
        reason: '/dev/net/tun is not accessible to all users',
        remedy:
          'chmod 0666 /dev/net/tun, as root, as udev has it; root’s containers with --userns=host need it not',
      };
    return { detail: path };
  };
}

/** All of these. */
function probed(...names: readonly string[]): (facts: MachineFacts) => Verdict {
  return (facts) => {
    for (const name of names) {
      const failed = outcome(facts, name);
      if (failed !== undefined) return refusalOf(failed, facts);
    }
    return {};
  };
}

/** Undefined: it works. */
function outcome({ probe, probeError }: MachineFacts, name: string): RefusedCall | undefined {
  if (probe === undefined) return { errno: '', call: probeError ?? 'it could not be tried' };
  const found = probe.get(name);
  if (found === undefined) return { errno: '', call: 'something that it needs does not work' };
  const { errno, call } = found;
  return errno === undefined ? undefined : { errno, call: call ?? name };
}

function refusalOf(failed: RefusedCall, { confinement }: MachineFacts): Refusal {
  if (failed.errno === '')
    return { reason: `not tried: ${failed.call}`, remedy: 'what else is said to be missing here' };
  if (failed.errno === 'ENOSPC')
    return {
      reason: `${failed.call}: ENOSPC: a limit below /proc/sys/user is reached`,
      remedy: 'a higher one, as root: sysctl -a --pattern ^user.max_.*_namespaces shows them',
    };
  const explained = explainRefusal(failed, confinement);
  if (explained !== undefined) return explained;
  if (failed.errno === 'ENOSYS' || failed.errno === 'EINVAL' || failed.errno === 'ENODEV')
    return {
      reason: `${failed.call}: ${failed.errno}: this kernel cannot`,
      remedy: 'Linux 5.12 or later, built with it',
    };
  return {
    reason: `${failed.call}: ${failed.errno}`,
    remedy: 'run as root, outside of containers',
  };
}
