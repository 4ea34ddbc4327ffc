/** Where limits go: one sink for each hierarchy that a plan touches, and the errors of what cannot be set. */
import { CaissonError } from '../base/errors.js';
import { delegateToUser, delegationHint } from './delegation.js';
import type { CgroupHierarchy, CgroupLayout } from './detect.js';
import type { CgroupWrite } from './plan.js';

/** Docker's words for the limits of the runtime spec, for error texts. */
const flags: Readonly<Record<string, string>> = {
  'memory.limit': '--memory',
  'memory.reservation': '--memory-reservation',
  'memory.swap': '--memory-swap',
  'memory.swappiness': '--memory-swappiness',
  'memory.disableOOMKiller': '--oom-kill-disable',
  'cpu.shares': '--cpu-shares',
  'cpu.quota': '--cpus, --cpu-quota',
  'cpu.period': '--cpu-period',
  'cpu.realtimeRuntime': '--cpu-rt-runtime',
  'cpu.realtimePeriod': '--cpu-rt-period',
  'cpu.cpus': '--cpuset-cpus',
  'cpu.mems': '--cpuset-mems',
  'pids.limit': '--pids-limit',
  'blockIO.weight': '--blkio-weight',
  'blockIO.weightDevice': '--blkio-weight-device',
  'blockIO.throttleReadBpsDevice': '--device-read-bps',
  'blockIO.throttleWriteBpsDevice': '--device-write-bps',
  'blockIO.throttleReadIOPSDevice': '--device-read-iops',
  'blockIO.throttleWriteIOPSDevice': '--device-write-iops',
  devices: '--device',
  deviceCgroupRules: '--device-cgroup-rule',
  userns: '--userns host',
  capAdd: '--cap-add SYS_ADMIN',
  cgroupParent: '--cgroup-parent',
};

/** An option by its spec name and, where there is one, Docker's: `memory.limit (--memory)`. */
export function optionName(option: string): string {
  const flag = flags[option] ?? (option.startsWith('unified.') ? '--cgroup-conf' : undefined);
  return flag === undefined ? option : `${option} (${flag})`;
}

export function invalidOption(option: string, message: string, hint?: string): CaissonError {
  return new CaissonError('ERR_INVALID_OPTION', `${optionName(option)}: ${message}`, {
    stage: 'config',
    path: option,
    hint,
  });
}

/** What every cgroup of v2 has, whichever controllers there are. */
const OF_V2_ITSELF: ReadonlySet<string> = new Set(['devices', 'cgroup2']);

/** A controller has another name with each version: the one that it has, or would have, here. */
export function nameHere({ hierarchies }: CgroupLayout, v1: string, v2: string): string {
  return hierarchies.some((h) => h.version === 1 && h.controllers.length > 0) ? v1 : v2;
}

/** Why a controller is not here, as far as it is known, and what would give it. */
export function whyMissing(
  layout: CgroupLayout,
  controller: string,
): { readonly cause: string; readonly cure: string } {
  const unified = layout.hierarchies.find(({ version }) => version === 2);
  const mounted =
    layout.hierarchies.find((h) => h.controllers.includes(controller)) ??
    (OF_V2_ITSELF.has(controller) ? unified : undefined);
  if (layout.disabled.has(controller)) {
    return {
      cause: 'the kernel was started with it switched off',
      cure: `remove cgroup_disable=${controller} from the kernel's command line`,
    };
  }
  if (mounted?.readOnly === true) {
    return {
      cause: `${mounted.mountPoint} is mounted read-only`,
      cure: `in a container: ${writableCgroups(mounted.version)}`,
    };
  }
  if (mounted?.usable === true) {
    return {
      cause: `it is one of cgroup v${mounted.version} here, at ${mounted.mountPoint}`,
      cure: "systemd.unified_cgroup_hierarchy=1 on the kernel's command line gives all of them to v2",
    };
  }
  if (mounted !== undefined) {
    return {
      cause: `${mounted.mountPoint} is not writable for this user`,
      cure: delegationHint(layout) ?? 'run in a cgroup that is delegated to this user',
    };
  }
  if (unified?.delegated === true) {
    return {
      cause: 'it was not delegated to the systemd of this user',
      cure: delegateToUser(process.geteuid?.() ?? 0),
    };
  }
  if (layout.hierarchies.length === 0) {
    return {
      cause: 'cgroups are not mounted',
      cure: 'mount -t cgroup2 none /sys/fs/cgroup',
    };
  }
  if (layout.mode === 'v2' && unified !== undefined) {
    return {
      cause: `it is not in ${unified.mountPoint}/cgroup.controllers`,
      cure:
        unified.mountRoot === '/' &&
        (unified.ownPath ?? '/') === '/' &&
        !unified.files.has('cgroup.type')
          ? 'a kernel that is built with it'
          : 'the cgroup above has to enable it in its cgroup.subtree_control (systemd: Delegate=)',
    };
  }
  return {
    cause: 'it is not mounted in any cgroup hierarchy',
    cure: `mount -t cgroup -o ${controller} none DIRECTORY, with a kernel that is built with it`,
  };
}

/** Flags of podman, Docker and caisson for the container around. The host's tree of v2 is of no use in a namespace. */
export function writableCgroups(version: 1 | 2): string {
  return version === 1
    ? '--privileged, or -v /sys/fs/cgroup:/sys/fs/cgroup:rw'
    : '--privileged; podman: --security-opt unmask=/sys/fs/cgroup; Docker: --cgroupns=host -v /sys/fs/cgroup:/sys/fs/cgroup:rw';
}

/** The error of a limit whose controller is not here, with the reason as far as it is known. */
export function missingController(
  layout: CgroupLayout,
  option: string,
  controller: string,
): CaissonError {
  const { cause, cure } = whyMissing(layout, controller);
  const hint = `${cause}; ${cure}`;
  return new CaissonError(
    'ERR_CGROUP_CONTROLLER_MISSING',
    `${optionName(option)} needs the cgroup controller ${controller}, which this machine does not offer`,
    { stage: 'config', path: option, hint },
  );
}

/** The error of what needs a cgroup of its own, whatever controllers it has. */
export function missingCgroups(layout: CgroupLayout, option: string): CaissonError {
  const { cause, cure } = whyMissing(layout, 'pids');
  return new CaissonError(
    'ERR_CGROUP_CONTROLLER_MISSING',
    `${optionName(option)} needs a cgroup, and none can be made here`,
    { stage: 'config', path: option, hint: `${cause}; ${cure}` },
  );
}

/** The error of a limit whose controller is here, but whose file is not. */
export function missingFile(option: string, controller: string, file: string): CaissonError {
  const hint = fileHints.find(([pattern]) => pattern.test(file))?.[1];
  return new CaissonError(
    'ERR_CGROUP_CONTROLLER_MISSING',
    `${optionName(option)} needs the cgroup file ${file}, which the controller ${controller} of this kernel does not have`,
    { stage: 'config', path: option, hint },
  );
}

const fileHints: readonly (readonly [RegExp, string])[] = [
  [/memsw|swap\.max/, 'swap accounting is off; start the kernel with swapaccount=1'],
  [/weight/, 'load the bfq scheduler (modprobe bfq), which brings it'],
  [/cfs_|cpu\.max/, 'the kernel was built without CONFIG_CFS_BANDWIDTH'],
  [/throttle|io\.max/, 'the kernel was built without CONFIG_BLK_DEV_THROTTLING'],
  [/^hugetlb/, 'the kernel has no huge pages of that size'],
];

/**
 * Files that v1 controllers do not have in a hierarchy's real root (`CFTYPE_NOT_ON_ROOT`), so that their
 * absence there says nothing about a child.
 */
const notOnRoot = /^(?:pids|freezer|hugetlb|rdma)\.|weight/;

/** Whether a container's cgroup has a file: true, false, or undefined where only a probe could tell. */
export function hasFile(hierarchy: CgroupHierarchy, file: string): boolean | undefined {
  if (hierarchy.delegated === true) return hierarchy.files.has(file);
  const controller = file.slice(0, file.indexOf('.'));
  if (hierarchy.probed?.has(controller) === true) return hierarchy.childFiles?.has(file);
  if (hierarchy.files.has(file)) return true;
  if (hierarchy.version === 2 || hierarchy.files.size === 0) return undefined;
  if (hierarchy.mountRoot === '/' && notOnRoot.test(file)) return undefined;
  return false;
}

/** Collects the writes of one hierarchy. */
export class Sink {
  readonly writes: CgroupWrite[] = [];
  /** Controllers that a limit needs: v2 has to enable them. */
  readonly needed = new Set<string>();

  constructor(readonly hierarchy: CgroupHierarchy) {}

  get version(): 1 | 2 {
    return this.hierarchy.version;
  }

  /** False only where the file is known to be missing. */
  offers(file: string): boolean {
    return hasFile(this.hierarchy, file) !== false;
  }

  /** Adds one write, or throws when the kernel is known to lack the file. */
  put(option: string, controller: string, file: string, value: string | number): void {
    if (!this.offers(file)) throw missingFile(option, controller, file);
    if (typeof value === 'number' && (!Number.isSafeInteger(value) || value < 0)) {
      throw invalidOption(option, `${value} is not a whole number`);
    }
    this.writes.push({ file, value: String(value) });
  }
}

/** The sinks of one plan, found by controller. */
export class Sinks {
  private readonly byHierarchy = new Map<CgroupHierarchy, Sink>();

  constructor(readonly layout: CgroupLayout) {}

  /** The sink of a controller's hierarchy; throws when the machine has none. */
  need(option: string, controller: string, v2Name: string = controller): Sink {
    const { controllers } = this.layout;
    const v1 = controllers.get(controller);
    const hierarchy = v1?.version === 1 ? v1 : controllers.get(v2Name);
    if (hierarchy === undefined) {
      throw missingController(this.layout, option, nameHere(this.layout, controller, v2Name));
    }
    const sink = this.of(hierarchy);
    sink.needed.add(hierarchy.version === 2 ? v2Name : controller);
    return sink;
  }

  /** Whether containers can have this controller here. */
  has(controller: string): boolean {
    return this.layout.controllers.has(controller);
  }

  /** The sink of a hierarchy, whichever controllers it has. */
  of(hierarchy: CgroupHierarchy): Sink {
    let sink = this.byHierarchy.get(hierarchy);
    if (sink === undefined) {
      sink = new Sink(hierarchy);
      this.byHierarchy.set(hierarchy, sink);
    }
    return sink;
  }

  get(hierarchy: CgroupHierarchy): Sink | undefined {
    return this.byHierarchy.get(hierarchy);
  }
}
