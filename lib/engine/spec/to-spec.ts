/** From a checked config to the OCI spec that the launch program is compiled from. Pure. */
import { CaissonError } from '../../base/errors.js';
import type {
  LinuxBlockIO,
  LinuxCapabilities,
  LinuxDevice,
  LinuxIdMapping,
  LinuxNamespaceType,
  LinuxResources,
  LinuxSeccomp,
  Mount,
  PosixRlimit,
  Process,
  Spec,
} from '../../oci/runtime-spec.js';
import { tmpfsOwner } from '../../program/mount-options.js';
import { invalid } from '../../base/check.js';
import { type ContainerConfig, FIRST_CONTAINER_ID } from '../options/config.js';
import * as defaults from './default-spec.js';
import { opensDevices } from './device-access.js';
import { buildEnvironment } from '../options/env.js';
import { shortId } from '../../base/ids.js';
import { isMapped, type UserNamespaceIds } from '../../host/user-namespace-ids.js';
import type { Resources } from '../options/resources.js';
import { NO_SOURCES, type Sources } from './sources.js';
import { asBind, NO_VOLUMES, type VolumeSources } from './volume-mounts.js';
import type { ResolvedUser } from '../options/user.js';

/** What was found out about this one container. */
export interface SpecFacts {
  /** Long id. */
  readonly id: string;
  /** Host ids behind the container's 0 to size-1; missing with `userns: 'host'`. */
  readonly idRange?: { readonly base: number; readonly size: number } | undefined;
  readonly user: ResolvedUser;
  /** Where the config names none. Default: the short id. */
  readonly hostname?: string | undefined;
  readonly seccomp?: LinuxSeccomp | undefined;
  /** Of a rootless user; undefined for root. */
  readonly users?: UserNamespaceIds | undefined;
  /** Of `callersOpenFiles`: for programs that are not told of another limit. */
  readonly openFiles?: readonly PosixRlimit[] | undefined;
  /** Of `checkSources`. */
  readonly sources?: Sources | undefined;
  /** Of the mounts that are volumes. */
  readonly volumes?: VolumeSources | undefined;
  /** Of `labelsFor`, where the container is to have labels. */
  readonly selinux?: { readonly process: string; readonly mount: string } | undefined;
  /** As `hostname`. */
  readonly domainname?: string | undefined;
  /** The host has its message queues mounted, at the usual place. */
  readonly hostMqueue?: boolean | undefined;
  /** What this machine has to be masked beside MASKED_PATHS. */
  readonly cpuMasks?: readonly string[] | undefined;
}

/** The name that the container will have for itself. */
export function hostnameOf(
  config: ContainerConfig,
  facts: Pick<SpecFacts, 'id' | 'hostname'>,
): string {
  return config.hostname ?? facts.hostname ?? shortId(facts.id);
}

export function toSpec(config: ContainerConfig, facts: SpecFacts): Spec {
  const { privileged } = config;
  const { idRange, sources = NO_SOURCES } = facts;
  if (idRange !== undefined) {
    checkIds(facts.user, idRange.size);
    checkTmpfsIds(config, idRange.size);
  }
  if (facts.users !== undefined) checkOwnIds(facts.user, facts.users);
  const hostname = hostnameOf(config, facts);
  const mapping: readonly LinuxIdMapping[] | undefined =
    idRange === undefined
      ? undefined
      : [{ containerID: 0, hostID: idRange.base, size: idRange.size }];
  const devices = devicesOf(config, sources);
  const shown = shownDevices(config, sources);
  return {
    ociVersion: defaults.OCI_VERSION,
    process: processOf(config, facts, hostname),
    root: { path: 'rootfs', readonly: config.readOnly },
    hostname: config.namespaces.uts === 'host' ? undefined : hostname,
    domainname: config.domainname ?? facts.domainname,
    mounts: mountsOf(config, mapping, facts, shown),
    linux: {
      uidMappings: mapping,
      gidMappings: mapping,
      namespaces: defaults.namespacesBut(sharedWithHost(config, mapping !== undefined)),
      devices: shown.length === 0 ? devices : [...devices, ...shown],
      resources: resourcesOf(config, sources, facts.users === undefined),
      cgroupsPath: `/caisson/${facts.id}`,
      sysctl: config.sysctls,
      seccomp: facts.seccomp,
      mountLabel: facts.selinux?.mount,
      maskedPaths: privileged ? defaults.NO_PATHS : maskedPaths(facts.cpuMasks),
      readonlyPaths: privileged ? defaults.NO_PATHS : defaults.READONLY_PATHS,
    },
  };
}

function sharedWithHost(
  { network, namespaces }: ContainerConfig,
  ownUserNamespace: boolean,
): ReadonlySet<LinuxNamespaceType> {
  const shared = new Set<LinuxNamespaceType>();
  if (!ownUserNamespace) shared.add('user');
  if (network === 'host') shared.add('network');
  for (const type of ['pid', 'ipc', 'uts', 'cgroup'] as const)
    if (namespaces[type] === 'host') shared.add(type);
  return shared;
}

function maskedPaths(cpuMasks: readonly string[] = defaults.NO_PATHS): readonly string[] {
  return cpuMasks.length === 0 ? defaults.MASKED_PATHS : [...defaults.MASKED_PATHS, ...cpuMasks];
}

/** As for users: the owner of a tmpfs outside of the container's range would not be mapped. */
function checkTmpfsIds({ mounts }: ContainerConfig, size: number): void {
  for (const { type, options, from } of mounts) {
    if (type !== 'tmpfs') continue;
    const { uid = 0, gid = 0 } = tmpfsOwner(options.join(','));
    const outside = [uid, gid].find((id) => id >= size);
    if (outside !== undefined)
      throw invalid(from, outside, `is not one of the container's ${size} ids`);
  }
}

/** An id of the image's account files may lie outside the container's range: it would not be mapped. */
function checkIds(user: ResolvedUser, size: number): void {
  const outside = [user.uid, user.gid, ...user.additionalGids].find((id) => id >= size);
  if (outside === undefined) return;
  throw new CaissonError(
    'ERR_INVALID_OPTION',
    `user: the id ${outside} is not one of the container's ${size}`,
    {
      stage: 'config',
      path: 'user',
      hint: 'userns "host" has all ids',
    },
  );
}

/** Without an id of the host that stands for it, no process can become that user. */
function checkOwnIds(user: ResolvedUser, { uids, gids, lack }: UserNamespaceIds): void {
  const uid = isMapped(uids, user.uid) ? undefined : user.uid;
  const gid = [user.gid, ...user.additionalGids].find((id) => !isMapped(gids, id));
  const outside = uid ?? gid;
  if (outside === undefined) return;
  const what = uid === undefined ? 'group' : 'user';
  throw new CaissonError(
    lack === undefined ? 'ERR_INVALID_OPTION' : 'ERR_NO_PRIVILEGES',
    lack === undefined
      ? `user: the ${what} ${outside} is not one of those that this user's subordinate ids stand for`
      : `user: a container of this user has root alone, not ${what} ${outside}: ${lack.why}`,
    {
      stage: 'config',
      path: 'user',
      hint: lack?.remedy ?? 'a larger range in /etc/subuid and /etc/subgid has more of them',
    },
  );
}

function processOf(
  config: ContainerConfig,
  { user, openFiles, selinux }: SpecFacts,
  hostname: string,
): Process {
  const { terminal } = config;
  return {
    terminal: terminal !== undefined,
    consoleSize:
      terminal === undefined ? undefined : { height: terminal.rows, width: terminal.cols },
    user: { uid: user.uid, gid: user.gid, additionalGids: user.additionalGids },
    args: config.args,
    env: environmentOf(config, config.env, user, hostname),
    cwd: config.workdir,
    capabilities: capabilitySets(config.capabilities, user.uid),
    rlimits: rlimitsOf(config, openFiles),
    noNewPrivileges: config.noNewPrivileges,
    apparmorProfile: config.apparmor,
    selinuxLabel: selinux?.process,
    oomScoreAdj: config.oomScoreAdj,
  };
}

function rlimitsOf(
  { rlimits }: ContainerConfig,
  openFiles: SpecFacts['openFiles'] = [],
): readonly PosixRlimit[] {
  if (openFiles.length === 0 || rlimits.some(({ type }) => type === 'RLIMIT_NOFILE'))
    return rlimits;
  return [...rlimits, ...openFiles];
}

/** @param env of `normalizeEnv` */
export function environmentOf(
  { imageEnv, terminal }: Pick<ContainerConfig, 'imageEnv' | 'terminal'>,
  env: readonly string[],
  { home }: Pick<ResolvedUser, 'home'>,
  hostname: string,
): readonly string[] {
  return buildEnvironment(imageEnv, env, { hostname, home, terminal: terminal !== undefined });
}

/**
 * As with Docker: a user that is not root starts without any, and can regain no more than the bounding set.
 * Nothing is inheritable or ambient (CVE-2022-24769, CVE-2022-29162).
 */
function capabilitySets(names: readonly string[], uid: number): LinuxCapabilities {
  const active = uid === 0 ? names : defaults.NO_PATHS;
  return {
    bounding: names,
    effective: active,
    permitted: active,
    inheritable: defaults.NO_PATHS,
    ambient: defaults.NO_PATHS,
  };
}

/** Docker's mounts, less those that the user replaces, then the user's. */
function mountsOf(
  config: ContainerConfig,
  mapping: readonly LinuxIdMapping[] | undefined,
  { users, user, idRange, sources = NO_SOURCES, volumes = NO_VOLUMES, hostMqueue }: SpecFacts,
  shown: readonly LinuxDevice[],
): readonly Mount[] {
  const {
    privileged,
    namespaces: { pid, ipc },
  } = config;
  const ownUserNamespace = mapping !== undefined || users !== undefined;
  const own: Mount[] = [
    ownUserNamespace && pid === 'host' ? defaults.BOUND_PROC : defaults.PROC,
    defaults.DEV,
    defaults.pts(config.ptyLimit, users?.lack === undefined),
    ownUserNamespace && (config.network === 'host' || config.network === 'namespace')
      ? defaults.BOUND_SYS
      : privileged
        ? defaults.PRIVILEGED_SYS
        : defaults.SYS,
    privileged ? defaults.PRIVILEGED_CGROUP : defaults.CGROUP,
  ];
  if (ipc !== 'host' || !ownUserNamespace) own.push(defaults.MQUEUE);
  else if (hostMqueue === true) own.push(defaults.HOST_MQUEUE);
  if (ipc === 'host') own.push(defaults.HOST_SHM);
  else if (ipc !== 'none' && ipc !== 'container') own.push(defaults.shm(config.shmSize));
  if (config.mounts.length === 0) return own;

  const targets = new Set(config.mounts.map(({ target }) => target));
  const ownDev = !targets.has('/dev');
  const mounts = own.filter(
    ({ destination }) => !targets.has(destination) && (ownDev || !destination.startsWith('/dev/')),
  );
  const { base = 0 } = idRange ?? {};
  const nodes = new Set(shown.map(({ path }) => path));
  const opens = opensDevices(config);
  for (const mount of config.mounts) {
    const { type, source, target, within, image, options: asked } = asBind(mount, volumes);
    if (nodes.has(target)) continue;
    const guarded = opens || type === 'tmpfs' ? asked : [...asked, nodev(asked)];
    const options = within === undefined ? guarded : [...guarded, `beneath=${within}`];
    const owner = sources.owners.get(target);
    const maps =
      owner === undefined
        ? { uidMappings: mapping, gidMappings: mapping }
        : {
            uidMappings: ownerMap(owner.uid, base + user.uid),
            gidMappings: ownerMap(owner.gid, base + user.gid),
          };
    if (type === 'tmpfs') {
      const sized = withSize(options, config.resources.memory);
      mounts.push({ destination: target, type, source: 'tmpfs', options: sized });
    } else if (maps.uidMappings === undefined)
      mounts.push({ destination: target, type, source: source ?? image?.name, options });
    else {
      // Without an owner, ownership reads as on the host, whatever ids the container has.
      const idmap = options[0] === 'rbind' ? 'ridmap' : 'idmap';
      mounts.push({
        destination: target,
        type,
        source: source ?? image?.name,
        options: [...options, idmap],
        ...maps,
      });
    }
  }
  return mounts;
}

/**
 * One id of a volume is the container's. The ids of the host's users stay what they are, which is nobody inside. The ids of
 * containers are not mapped: the kernel lets no process write to files of an id without a mapping.
 */
function ownerMap(owner: number, inside: number): LinuxIdMapping[] {
  const map: LinuxIdMapping[] = [{ containerID: owner, hostID: inside, size: 1 }];
  const same = (from: number, to: number) => {
    if (from < to) map.push({ containerID: from, hostID: from, size: to - from });
  };
  same(0, Math.min(owner, FIRST_CONTAINER_ID));
  same(owner + 1, FIRST_CONTAINER_ID);
  return map;
}

function nodev(options: readonly string[]): string {
  return options[0] === 'rbind' ? 'rnodev' : 'nodev';
}

/**
 * Volumes that are devices which the container has anyway (`-v /dev/null:/etc/motd`): a node of the container's own at that
 * place. Any other device that is a volume can be seen, and not be opened.
 */
function shownDevices(config: ContainerConfig, { devices, volumes }: Sources): LinuxDevice[] {
  if (volumes.length === 0 || opensDevices(config)) return NO_DEVICES;
  const allowed = [...defaults.DEVICES, ...devices.map(({ node }) => node)];
  return volumes.flatMap(({ node }) => {
    const own = allowed.find(
      ({ type, major, minor }) =>
        type === node.type && major === node.major && minor === node.minor,
    );
    return own === undefined ? [] : [{ ...own, path: node.path }];
  });
}

const NO_DEVICES: LinuxDevice[] = [];

/**
 * The kernel lets a tmpfs have half of the machine's memory. Half of the container's is enough to say ENOSPC before
 * something has to be killed for memory.
 */
function withSize(options: readonly string[], memory: number | undefined): readonly string[] {
  const sized = options.some((text) => /^(?:size|nr_blocks)=/.test(text));
  return memory === undefined || sized ? options : [...options, `size=${Math.floor(memory / 2)}`];
}

/** Made by the host, so that a container with a user namespace of its own can use them too. */
function devicesOf(config: ContainerConfig, sources: Sources): readonly LinuxDevice[] {
  if (config.mounts.some(({ target }) => target === '/dev')) return [];
  if (sources.devices.length === 0) return defaults.DEVICES;
  const byPath = new Map(defaults.DEVICES.map((node) => [node.path, node]));
  for (const { node } of sources.devices) byPath.set(node.path, node);
  return [...byPath.values()];
}

/** @param filtered false where the container has no device but those of this user, and can make none. */
function resourcesOf(config: ContainerConfig, sources: Sources, filtered: boolean): LinuxResources {
  return {
    devices: filtered ? deviceRules(config, sources) : undefined,
    ...limitsOf(config.resources, sources.throttles),
  };
}

/** The limits alone: what can be changed while a container runs. */
export function limitsOf(asked: Resources, throttles: Sources['throttles']): LinuxResources {
  const memory =
    asked.memory !== undefined ||
    asked.memoryReservation !== undefined ||
    asked.memorySwappiness !== undefined ||
    asked.oomKillDisable === true;
  const cpu =
    asked.cpuShares !== undefined ||
    asked.cpuQuota !== undefined ||
    asked.cpuPeriod !== undefined ||
    asked.cpusetCpus !== undefined ||
    asked.cpusetMems !== undefined;
  return {
    memory: memory
      ? {
          limit: asked.memory,
          reservation: asked.memoryReservation,
          swap: asked.memorySwap,
          swappiness: asked.memorySwappiness,
          disableOOMKiller: asked.oomKillDisable,
        }
      : undefined,
    cpu: cpu
      ? {
          shares: asked.cpuShares,
          quota: asked.cpuQuota,
          period: asked.cpuPeriod,
          cpus: asked.cpusetCpus,
          mems: asked.cpusetMems,
        }
      : undefined,
    pids: asked.pidsLimit === undefined ? undefined : { limit: asked.pidsLimit },
    blockIO: blockIO(asked.blkioWeight, throttles),
    unified: asked.cgroupConf,
  };
}

function deviceRules(config: ContainerConfig, sources: Sources): LinuxResources['devices'] {
  if (config.privileged) return defaults.ALL_DEVICES;
  const more = [...sources.devices.map(({ rule }) => rule), ...config.deviceRules];
  return more.length === 0 ? defaults.DEVICE_RULES : [...defaults.DEVICE_RULES, ...more];
}

function blockIO(
  weight: number | undefined,
  throttles: Sources['throttles'],
): LinuxBlockIO | undefined {
  if (weight === undefined && throttles === NO_SOURCES.throttles) return undefined;
  return {
    weight,
    throttleReadBpsDevice: throttles.readBps,
    throttleWriteBpsDevice: throttles.writeBps,
    throttleReadIOPSDevice: throttles.readIops,
    throttleWriteIOPSDevice: throttles.writeIops,
  };
}
