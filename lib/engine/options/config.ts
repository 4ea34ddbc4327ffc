/** From what a caller asked for to what a container is: checked, with all defaults filled in. */
import { checkOnProgress } from '../../image/image-progress.js';
import { constants } from 'node:buffer';
import { posix } from 'node:path';
import type { LinuxDeviceCgroup, PosixRlimit } from '../../oci/runtime-spec.js';
import type { StdioPlan } from '../../program/launch-input.js';
import { checkAbortSignal } from '../../base/abort-signals.js';
import { type CapabilityLimits, containerCapabilities } from './capabilities.js';
import {
  boolean,
  checkOptions,
  conflicting,
  invalid,
  plainString,
  show,
  stringList,
  unsupported,
  wholeNumber,
} from '../../base/check.js';
import { normalizePlatformOption, normalizePull, withImagePorts } from './image-options.js';
import { normalizeLabels } from './labels.js';
import { PTY_LIMIT, SHM_SIZE } from './defaults.js';
import { type DeviceConfig, normalizeDeviceRules, normalizeDevices } from './devices.js';
import { normalizeEnv } from './env.js';
import { HOST_GATEWAY, type NameConfig, normalizeNames } from './names.js';
import { checkContainerName, checkDomainname, checkHostname } from './host-names.js';
import {
  checkNamespaces,
  joinedContainer,
  type NamespaceConfig,
  normalizeNamespaces,
} from './namespace-options.js';
import { normalizeMaxLine } from '../../base/lines.js';
import type { MountConfig } from './mount-config.js';
import { normalizeMounts, withImageVolumes } from './mounts.js';
import { normalizeVolumesFrom, type VolumesFrom } from './volumes-from.js';
import { normalizeTerminal } from './terminal.js';
import {
  type PullPolicy,
  RUN_OPTION_NAMES,
  type RunOptions,
  type Stdio,
  type TerminalSize,
} from './options.js';
import { type HostResources, normalizeResources, type Resources } from './resources.js';
import type { NetworkConfig } from '../../network/types.js';
import { normalizeNetwork, type NetworkPart } from './network.js';
import { appArmorProfile } from '../../host/security-labels.js';
import {
  composeLabels,
  lookAtSelinux,
  type Selinux,
  type SelinuxLabels,
} from '../../host/selinux.js';
import { normalizeSecurity, type SeccompChoice } from './security-options.js';
import { parseSignal } from '../../base/signals.js';
import { normalizeStorageOpt } from './storage-opt.js';
import { normalizeSysctls } from './sysctls.js';
import { normalizeUlimits } from './ulimits.js';
import { parseSize } from '../../base/units.js';
import { parseGroup, parseUser } from './user.js';

/** How many ids a container with a user namespace of its own has: 0 to 65535. */
export const ID_RANGE_SIZE = 65_536;

/** The first id of the host that is for containers: those of the host's users are below. */
export const FIRST_CONTAINER_ID = 524_288;

const DEFAULT_MAX_OUTPUT = 100 * 2 ** 20;
/** setTimeout's limit, 24 days. */
const MAX_TIMEOUT = 2 ** 31 - 1;
const SIGTERM = 15;

/** What the image says about the containers made from it. */
export interface ImageDefaults {
  readonly env: readonly string[];
  readonly cmd: readonly string[];
  readonly entrypoint: readonly string[];
  readonly user?: string | undefined;
  readonly workdir?: string | undefined;
  /** Paths in the container at which it has volumes. */
  readonly volumes?: readonly string[] | undefined;
  /** `80/tcp`. */
  readonly exposedPorts?: readonly string[] | undefined;
}

/** What has to be known of the machine and of this process. */
export interface HostFacts extends HostResources, CapabilityLimits {
  /** All of a container is in one user namespace, which its supervisor has made. */
  readonly rootless?: boolean | undefined;
  /** Undefined: asked of the kernel when a profile is named. */
  readonly appArmor?: boolean | undefined;
  /** Undefined: looked at when a label is asked for. Null: none. */
  readonly selinux?: Selinux | null | undefined;
  /** Of `thermalThrottlePaths`: masked beside the paths that every machine has. */
  readonly cpuMasks?: readonly string[] | undefined;
}

export interface ContainerConfig extends NetworkConfig, NetworkPart {
  readonly name?: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly pull: PullPolicy;
  readonly platform?: string | undefined;
  /** The whole command line: entrypoint and arguments. Never empty. */
  readonly args: readonly string[];
  readonly imageEnv: readonly string[];
  /** `NAME=value`; `NAME` alone takes the image's variable away. */
  readonly env: readonly string[];
  /** Absolute and normalized. */
  readonly workdir: string;
  /** For `resolveUser`; its form is already checked. */
  readonly user?: string | undefined;
  readonly groupAdd?: readonly (string | number)[] | undefined;
  readonly init: boolean;
  readonly terminal?: TerminalSize | undefined;
  readonly stdin: StdioPlan;
  readonly stdout: StdioPlan;
  readonly stderr: StdioPlan;
  /** Milliseconds. */
  readonly timeout?: number | undefined;
  /** Bytes a stream. */
  readonly maxOutput: number;
  /** Bytes. */
  readonly maxLine: number;
  readonly stopSignal: number;
  /** Missing: the first 12 digits of the id. */
  readonly hostname?: string | undefined;
  readonly domainname?: string | undefined;
  /** `CAP_…`. */
  readonly capabilities: readonly string[];
  readonly privileged: boolean;
  readonly noNewPrivileges: boolean;
  readonly seccomp: SeccompChoice;
  /** `apparmor=` of `securityOpt`. */
  readonly apparmor: string | undefined;
  /** `label=` of `securityOpt`. */
  readonly selinux: SelinuxLabels | undefined;
  readonly readOnly: boolean;
  readonly sysctls: Readonly<Record<string, string>>;
  readonly resources: Resources;
  readonly oomScoreAdj?: number | undefined;
  readonly rlimits: readonly PosixRlimit[];
  readonly mounts: readonly MountConfig[];
  /** Those that `mounts` does not have yet. */
  readonly volumesFrom: readonly VolumesFrom[];
  readonly devices: readonly DeviceConfig[];
  /** Beside those of `devices`. */
  readonly deviceRules: readonly LinuxDeviceCgroup[];
  /** Bytes of the writable layer; undefined: no limit of its own. */
  readonly layerSize?: number | undefined;
  /** Bytes. */
  readonly shmSize: number;
  readonly ptyLimit: number;
  readonly names: NameConfig;
  readonly namespaces: NamespaceConfig;
}

/** Without what each start has of its own. */
export type SharedConfig = Omit<ContainerConfig, 'args' | 'env'>;

/**
 * Checks everything that can be checked without looking at the host, so that a mistake is an error before
 * anything is made. What needs a look (sources of binds and devices) is `checkSources`.
 */
export function normalize(
  argv: readonly string[],
  options: RunOptions,
  image: ImageDefaults,
  host: HostFacts,
): ContainerConfig {
  checkOptions(options);
  for (const key in options) {
    if (!(key in RUN_OPTION_NAMES))
      throw invalid(key, (options as Record<string, unknown>)[key], 'is not an option');
  }
  checkAbortSignal(options.signal);
  checkOnProgress(options.onProgress);
  const privileged = flag('privileged', options.privileged, false);
  const asked = normalizeUserns(options.userns, privileged);
  const userns = host.rootless === true ? 'host' : asked;
  const networks = normalizeNetwork(withImagePorts(options, image.exposedPorts));
  const { network } = networks;
  const names = normalizeNames(options);
  if (network !== 'bridge' && names.addHost.some(({ ip }) => ip === HOST_GATEWAY))
    throw conflicting(
      'addHost',
      `"${HOST_GATEWAY}" needs a network with a bridge, and network is "${network}"`,
      'network: "bridge", or the name of a network that was created',
    );
  const security = normalizeSecurity(options.securityOpt, privileged);
  const terminal = normalizeTerminal(options.tty);
  const namespaces = normalizeNamespaces(options);
  const sysctls = normalizeSysctls(options.sysctls, network);
  checkNamespaces(namespaces, options, sysctls);
  return {
    name: options.name === undefined ? undefined : checkContainerName(options.name),
    labels: normalizeLabels(options.labels),
    pull: normalizePull(options.pull),
    platform: normalizePlatformOption(options.platform),
    args: normalizeArgs(argv, options.entrypoint, image),
    imageEnv: image.env,
    env: normalizeEnv(options.env),
    workdir: normalizeWorkdir(options.workdir ?? image.workdir),
    user: normalizeUser(options.user ?? image.user, userns),
    groupAdd: normalizeGroups(options.groupAdd, userns),
    // As with Docker: the first process of a pid namespace that is shared is another one, and reaps.
    init: flag('init', options.init, true) && namespaces.pid === 'private',
    terminal,
    stdin: stream('stdin', options.stdin, terminal === undefined ? 'null' : 'pipe', terminal),
    stdout: stream('stdout', options.stdout, 'pipe', terminal),
    stderr: stream('stderr', options.stderr, 'pipe', terminal),
    timeout: normalizeTimeout(options.timeout),
    maxOutput: normalizeMaxOutput(options.maxOutput),
    maxLine: normalizeMaxLine(options.maxLine),
    stopSignal:
      options.stopSignal === undefined ? SIGTERM : parseSignal('stopSignal', options.stopSignal),
    hostname: missing(options.hostname) ? undefined : checkHostname(options.hostname),
    domainname: missing(options.domainname) ? undefined : checkDomainname(options.domainname),
    userns,
    capabilities: containerCapabilities(options.capAdd, options.capDrop, privileged, {
      lastCap: host.lastCap,
      permitted: userns === 'host' ? host.permitted : undefined,
    }),
    privileged,
    noNewPrivileges: security.noNewPrivileges,
    seccomp: security.seccomp,
    apparmor: appArmorProfile(security.apparmor, host.appArmor),
    selinux:
      security.labels.length === 0
        ? undefined
        : composeLabels(
            security.labels,
            host.selinux === undefined ? lookAtSelinux() : (host.selinux ?? undefined),
          ),
    readOnly: flag('readOnly', options.readOnly, false),
    sysctls,
    resources: normalizeResources(options, host),
    oomScoreAdj:
      options.oomScoreAdj === undefined
        ? undefined
        : wholeNumber('oomScoreAdj', options.oomScoreAdj, -1000, 1000),
    rlimits: normalizeUlimits(options.ulimits),
    mounts: withImageVolumes(normalizeMounts(options), image.volumes),
    volumesFrom: normalizeVolumesFrom(options.volumesFrom),
    devices: normalizeDevices(options.devices),
    deviceRules: normalizeDeviceRules(options.deviceCgroupRules),
    layerSize: normalizeStorageOpt(options.storageOpt),
    shmSize: normalizeShmSize(options.shmSize),
    ptyLimit:
      options.ptyLimit === undefined
        ? PTY_LIMIT
        : wholeNumber('ptyLimit', options.ptyLimit, 1, MAX_PTYS),
    ...networks,
    names,
    namespaces,
  };
}

/** As with Docker, which sends an empty text for a missing option. */
function missing(value: string | undefined): value is undefined | '' {
  return value === undefined || value === '';
}

export function flag(option: string, value: boolean | undefined, fallback: boolean): boolean {
  return value === undefined ? fallback : boolean(option, value);
}

export function stream(
  option: string,
  value: Stdio | undefined,
  fallback: StdioPlan,
  terminal: TerminalSize | undefined,
): StdioPlan {
  if (value === undefined || value === fallback) return fallback;
  if (value === 'ignore') return 'null';
  if (value !== 'pipe' && value !== 'null' && value !== 'inherit') {
    throw invalid(option, value, 'is not one of pipe, ignore, inherit');
  }
  if (terminal !== undefined && value === 'inherit') {
    throw conflicting(
      option,
      '"inherit" excludes tty',
      "the container has a terminal of its own, never the caller's",
    );
  }
  return value;
}

function normalizeUserns(value: string | undefined, privileged: boolean): 'auto' | 'host' {
  if (value === undefined) return privileged ? 'host' : 'auto';
  const joins = joinedContainer('userns', value) !== undefined;
  if (value !== 'auto' && value !== 'host' && !joins)
    throw unsupported('userns', value, 'is not supported', 'auto, host or container:NAME_OR_ID');
  if (value !== 'host' && privileged) {
    throw conflicting(
      'userns',
      `${show(value)} excludes privileged`,
      "a privileged container has the host's users",
    );
  }
  return value === 'host' ? value : 'auto';
}

export function normalizeArgs(
  argv: readonly string[],
  entrypoint: RunOptions['entrypoint'],
  image: ImageDefaults,
): readonly string[] {
  if (!Array.isArray(argv))
    throw invalid('argv', argv, 'is not an array', 'one string for each argument');
  for (const arg of argv) plainString('argv', arg);
  let prefix = image.entrypoint;
  let rest = argv.length > 0 ? argv : image.cmd;
  if (entrypoint !== undefined) {
    prefix = typeof entrypoint === 'string' ? (entrypoint === '' ? [] : [entrypoint]) : entrypoint;
    stringList('entrypoint', prefix);
    rest = argv;
  }
  const args = prefix.length === 0 ? rest : rest.length === 0 ? prefix : [...prefix, ...rest];
  if (args.length === 0)
    throw invalid('argv', args, 'is empty, and the image has no command of its own');
  if (args[0] === '') throw invalid('argv', args, 'begins with an empty command');
  return args;
}

export function normalizeWorkdir(value: string | undefined): string {
  if (value === undefined || value === '' || value === '/') return '/';
  const text = plainString('workdir', value);
  if (!text.startsWith('/'))
    throw invalid('workdir', text, 'is not an absolute path in the container');
  const normal = posix.normalize(text);
  return normal.length > 1 && normal.endsWith('/') ? normal.slice(0, -1) : normal;
}

export function normalizeUser(
  value: string | undefined,
  userns: 'auto' | 'host',
): string | undefined {
  if (value === undefined || value === '') return undefined;
  const { user, group } = parseUser('user', value);
  checkMapped('user', user, userns);
  if (group !== undefined) checkMapped('user', group, userns);
  return value;
}

function normalizeGroups(
  value: RunOptions['groupAdd'],
  userns: 'auto' | 'host',
): readonly (string | number)[] | undefined {
  if (value === undefined) return undefined;
  if (!Array.isArray(value)) throw invalid('groupAdd', value, 'is not an array of groups');
  if (value.length === 0) return undefined;
  return (value as readonly (string | number)[]).map((group) => {
    const parsed = parseGroup(group);
    checkMapped('groupAdd', parsed, userns);
    return parsed;
  });
}

function checkMapped(option: string, id: string | number, userns: 'auto' | 'host'): void {
  if (userns === 'auto' && typeof id === 'number' && id >= ID_RANGE_SIZE) {
    throw invalid(
      option,
      id,
      `is not an id of the container: 0 to ${ID_RANGE_SIZE - 1}`,
      'userns "host" has them all',
    );
  }
}

export function normalizeTimeout(value: number | undefined): number | undefined {
  if (value === undefined || value === 0) return undefined;
  if (typeof value !== 'number' || !(value > 0) || value > MAX_TIMEOUT) {
    throw invalid('timeout', value, `is not a time in milliseconds up to ${MAX_TIMEOUT}`);
  }
  return value;
}

/** What is captured becomes a string: a limit beyond the longest of those would be none. */
export function normalizeMaxOutput(value: RunOptions['maxOutput']): number {
  if (value === undefined) return DEFAULT_MAX_OUTPUT;
  const limit = value === Infinity ? value : parseSize('maxOutput', value);
  if (limit <= constants.MAX_STRING_LENGTH) return limit;
  throw invalid(
    'maxOutput',
    value === Infinity ? 'Infinity' : value,
    'is more than a JavaScript string can hold',
    `at most ${constants.MAX_STRING_LENGTH} bytes; of more, read the stream`,
  );
}

/** NR_UNIX98_PTY_MAX (linux/devpts_fs.h). */
const MAX_PTYS = 1 << 20;

function normalizeShmSize(value: RunOptions['shmSize']): number {
  if (value === undefined) return SHM_SIZE;
  const size = parseSize('shmSize', value);
  if (size === 0) throw invalid('shmSize', value, 'is not more than 0');
  return size;
}
