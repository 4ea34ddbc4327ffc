/** The container's phase: from fresh namespaces to the user's program. Order is what matters here. */
import type { Mount, Spec } from '../oci/runtime-spec.js';
import { hierarchyName, isCgroup, isDev, type Shared } from './shared.js';
import {
  becomeUser,
  boundCapabilities,
  connectStdio,
  execProgram,
  O_RDWR_NOCTTY,
  openTerminal,
} from './compile-process.js';
import { stringList } from './encode.js';
import type { Step } from './instructions.js';
import type { LaunchInput } from './launch-input.js';
import { ATTR, parseMountOptions, tmpfsOwner } from './mount-options.js';
import type { Slots } from './slots.js';

/** linux/sched.h */
const UNSHARE = {
  uts: 0x0400_0000,
  ipc: 0x0800_0000,
  network: 0x4000_0000,
  cgroup: 0x0200_0000,
} as const;

/** What `mount.attach` makes when its target is missing: as the tree's own root is. */
const TARGET_AS_TREE = 3;
const TARGET_DIRECTORY = 0;
const TARGET_FILE = 1;

/** What a tmpfs takes from the directory that it covers: the fourth number of `mount.attach`. */
const TAKE = { mode: 1, uid: 2, gid: 4 } as const;

/**
 * The process that goes on after `init` has a copy of its parent's memory: SELinux lets no process that shares its memory
 * change its label, as the init then does; and a program with CAP_SYS_PTRACE, which can look into the init from its first
 * instruction on, must not find there what the init has of the host until the program begins.
 */
const COPIED_MEMORY = 1;

function memoryOfChild({ process }: Spec): readonly number[] {
  const traces = process?.capabilities?.bounding?.includes('CAP_SYS_PTRACE') ?? true;
  return traces || process?.selinuxLabel !== undefined ? [COPIED_MEMORY] : [];
}

/**
 * What `mount.fs` labels for SELinux: all files, or the root directory of a file system that takes no label as a whole. The
 * policy alone says what those of proc and sysfs have. As in runc.
 */
const LABELLED = { all: 0, root: 1 } as const;
const NEVER_LABELLED: ReadonlySet<string | undefined> = new Set(['proc', 'sysfs']);

/** What the base of `mount.mask` and `mount.readonly` is, and so whether a path may be missing there. */
const BASE = { tree: 0, kernel: 1, volume: 2 } as const;

/**
 * The mounts at these places by the slots that hold them. What is below one of them is reached through its descriptor and
 * never by its name, which another container may rename where both have the same directory as their root.
 */
type KernelMounts = ReadonlyMap<string, { readonly slot: number; readonly base: number }>;
const KERNEL_PLACES: ReadonlySet<string> = new Set(['/proc', '/sys', '/dev']);

/** Paths in the launcher's small mount namespace, of which the container has a copy until it pivots. */
const STAGE = '/stage';
const ROOT = '/root';
const SCRATCH = '/scratch';

export function compileContainer(
  spec: Spec,
  input: LaunchInput,
  shared: Shared,
  slots: Slots,
): Step[] {
  const steps: Step[] = [];
  const namespaces = new Set(spec.linux?.namespaces?.map(({ type }) => type));

  // Needs nothing of the host's phase, and runs while that is at work.
  let unshare = 0;
  for (const type of ['uts', 'network'] as const) {
    // With a helper it was born in it.
    if (type === 'network' && input.helper !== undefined) continue;
    if (namespaces.has(type)) unshare |= UNSHARE[type];
  }
  if (unshare !== 0) steps.push({ op: 'ns.unshare', numbers: [unshare] });
  if (spec.hostname !== undefined) steps.push({ op: 'host.name', texts: [spec.hostname] });
  if (spec.domainname !== undefined) steps.push({ op: 'domain.name', texts: [spec.domainname] });
  if (namespaces.has('network')) steps.push({ op: 'link.up', texts: ['lo'] });

  // What this process holds, it keeps for its set-up.
  boundCapabilities(steps, spec);

  steps.push({ op: 'await' });
  if (shared.ownUserNamespace) steps.push({ op: 'ids.set', numbers: [0, 0] }, { op: 'groups.set' });
  // The message queues' filesystem belongs to who made the namespace, hence after `ids.set`.
  if (namespaces.has('ipc')) steps.push({ op: 'ns.unshare', numbers: [UNSHARE.ipc] });
  const views = attachRoot(steps, input, shared, slots);
  const [root = shared.root] = views;
  const kernel = attachMounts(steps, spec, input, shared, slots, root);
  // Before the place where they are becomes read-only, and while the host's phase makes the cgroups.
  writeSysctls(steps, spec, input, kernel);
  hidePaths(steps, spec, shared, kernel, root);

  // Cgroups come late: what the set-up has used of memory is not charged to the container's limit.
  steps.push({ op: 'await' });
  for (const tasks of shared.tasks) steps.push({ op: 'cgroup.enter', slots: [tasks] });
  if (namespaces.has('cgroup')) steps.push({ op: 'ns.unshare', numbers: [UNSHARE.cgroup] });
  attachCgroups(steps, spec, input, shared, slots, below(kernel, root));
  finishRoot(steps, spec, input, root, views);

  const terminal = openTerminal(steps, spec, input.terminal, slots, root, true);
  steps.push({ op: 'root.pivot', slots: [root] });
  // Not beside `root.pivot`, which waits for all processors to pass through the scheduler: an init that gives up its
  // rights meanwhile holds that up. What the bounding set has lost by then, the init need not drop.
  if (input.init) steps.push({ op: 'init', numbers: memoryOfChild(spec) });

  connectStdio(steps, spec, shared, terminal, () => {
    if (shared.none !== undefined) return shared.none;
    const none = slots.take();
    // The engine's own: the container's /dev may be a volume, with anything under that name.
    steps.push({
      op: 'file.open',
      slots: [none, shared.scratch],
      texts: ['dev/null'],
      numbers: [O_RDWR_NOCTTY],
    });
    return none;
  });
  becomeUser(steps, spec, input);
  execProgram(steps, spec);
  return steps;
}

function writeSysctls(
  steps: Step[],
  { linux, mounts = [] }: Spec,
  { networkSysctls = {} }: Pick<LaunchInput, 'networkSysctls'>,
  kernel: KernelMounts,
): void {
  const ours = mounts.some(({ destination, type }) => destination === '/proc' && type === 'proc');
  const proc = ours ? kernel.get('/proc')?.slot : undefined;
  const wanted = Object.entries(linux?.sysctl ?? {});
  const own = Object.entries(networkSysctls).map(([key, value]) => [`-${key}`, value] as const);
  const words = [...own, ...wanted].flatMap(([key, value]) => [key.replaceAll('.', '/'), value]);
  if (words.length === 0) return;
  steps.push({ op: 'sysctl.write', slots: [proc], texts: [stringList(words)] });
}

/** By which slot, and by which path below it, a path of the container is reached. */
type Below = (path: string) => readonly [slot: number, path: string];

function below(kernel: KernelMounts, root: number): Below {
  return (path) => {
    for (const [place, { slot }] of kernel)
      if (path.startsWith(`${place}/`)) return [slot, path.slice(place.length + 1)];
    return [root, path];
  };
}

/** Puts the root where it can be pivoted to; returns the slots of the mounts that it consists of, the root's own first. */
function attachRoot(steps: Step[], input: LaunchInput, shared: Shared, slots: Slots): number[] {
  const views = attachViews(steps, input, shared, slots);
  steps.push({ op: 'await' });
  steps.push({
    op: 'mount.attach',
    slots: [shared.scratch],
    texts: [SCRATCH],
    numbers: [0, TARGET_DIRECTORY],
  });
  for (const [path, tree] of shared.devices) {
    if (shared.nodes.has(path)) continue;
    steps.push({
      op: 'mount.attach',
      slots: [tree, shared.scratch],
      texts: [path.slice(1)],
      numbers: [0, TARGET_FILE],
    });
  }
  if (input.root.kind === 'overlay') hideParts(steps, input.root.views, views, shared);
  return views;
}

function attachViews(steps: Step[], { root }: LaunchInput, shared: Shared, slots: Slots): number[] {
  if (root.kind === 'direct' || (root.views.length === 1 && root.views[0]?.from === '.')) {
    steps.push({
      op: 'mount.attach',
      slots: [shared.root],
      texts: [ROOT],
      numbers: [0, TARGET_DIRECTORY],
    });
    return [shared.root];
  }
  // The overlay is seen in parts: each part is a mount of its own of the same filesystem.
  steps.push({
    op: 'mount.attach',
    slots: [shared.root],
    texts: [STAGE],
    numbers: [0, TARGET_DIRECTORY],
  });
  const views: number[] = [];
  for (const { from, to } of root.views) {
    let tree = shared.root;
    if (from !== '.') {
      tree = slots.take();
      steps.push({ op: 'tree.view', slots: [tree, shared.root], texts: [from] });
    }
    steps.push({
      op: 'mount.attach',
      slots: [tree, views[0]],
      texts: [to === '/' ? ROOT : to],
      numbers: [0, TARGET_DIRECTORY],
    });
    views.push(tree);
  }
  return views;
}

/** The parts of a root themselves show through the one that shows everything. */
function hideParts(
  steps: Step[],
  parts: readonly { readonly from: string }[],
  trees: readonly number[],
  shared: Shared,
): void {
  parts.forEach(({ from }, index) => {
    if (from !== '.') return;
    for (const part of parts) {
      if (part.from === '.') continue;
      steps.push({
        op: 'mount.mask',
        slots: [trees[index], shared.scratch],
        texts: [stringList([part.from])],
        numbers: [BASE.tree],
      });
    }
  });
}

function attachMounts(
  steps: Step[],
  spec: Spec,
  input: LaunchInput,
  shared: Shared,
  slots: Slots,
  root: number,
): KernelMounts {
  const kernel = new Map<string, { slot: number; base: number }>();
  const place = below(kernel, root);
  const view = (path: string) => {
    const slot = slots.take();
    // With the devices that are mounted there.
    const recursive = path === 'dev' && shared.devices.size > 0 ? 1 : 0;
    steps.push({
      op: 'tree.view',
      slots: [slot, shared.scratch],
      texts: [path],
      numbers: [recursive],
    });
    return slot;
  };
  spec.mounts?.forEach((mount, index) => {
    const tree = shared.binds.get(index);
    if (isCgroup(mount)) return;
    const { attributes, data } = parseMountOptions(mount.options);
    const tmpfs = shared.tmpfs.get(index);
    const [base, target] = place(mount.destination);
    let slot: number;
    if (tree !== undefined) {
      slot = tree;
      steps.push({
        op: 'mount.attach',
        slots: [slot, base],
        texts: [target],
        numbers: [0, TARGET_AS_TREE],
      });
    } else if (isDev(mount)) {
      slot = view('dev');
      steps.push({
        op: 'mount.attach',
        slots: [slot, base],
        texts: [target],
        numbers: [attributes & ~(ATTR.strictAtime | ATTR.noAtime), TARGET_DIRECTORY],
      });
    } else if (tmpfs !== undefined) {
      slot = tmpfs;
      steps.push({
        op: 'mount.attach',
        slots: [slot, base],
        texts: [target],
        numbers: [attributes & ATTR.readOnly, TARGET_DIRECTORY, 0, takenBy(data)],
      });
    } else {
      slot = slots.take();
      const options = [`source=${mount.source ?? mount.type}`, ...(data === '' ? [] : [data])];
      const label = NEVER_LABELLED.has(mount.type) ? undefined : spec.linux?.mountLabel;
      steps.push({
        op: 'mount.fs',
        slots: [slot, base],
        texts: [mount.type, options.join(','), target, label],
        numbers: [attributes, mount.type === 'mqueue' ? LABELLED.root : LABELLED.all],
      });
    }
    if (KERNEL_PLACES.has(mount.destination)) {
      kernel.set(mount.destination, { slot, base: baseOf(mount) });
    }
  });
  for (const [path, { name }] of shared.nodes) {
    const [base, target] = place(path);
    const bound = shared.devices.get(path);
    steps.push({
      op: 'mount.attach',
      slots: [bound ?? view(name), base],
      texts: [target],
      numbers: [0, TARGET_FILE],
    });
  }
  input.files.forEach(({ path }, index) => {
    steps.push({
      op: 'mount.attach',
      slots: [view(`file${index}`), root],
      texts: [path],
      numbers: [input.root.readOnly ? ATTR.readOnly : 0, TARGET_FILE],
    });
  });
  return kernel;
}

function hidePaths(
  steps: Step[],
  { linux }: Spec,
  shared: Shared,
  kernel: KernelMounts,
  root: number,
): void {
  const { maskedPaths = [], readonlyPaths = [] } = linux ?? {};
  for (const { base, list, numbers } of byMount(maskedPaths, kernel, root)) {
    steps.push({ op: 'mount.mask', slots: [base, shared.scratch], texts: [list], numbers });
  }
  for (const { base, list, numbers } of byMount(readonlyPaths, kernel, root)) {
    steps.push({ op: 'mount.readonly', slots: [base], texts: [list], numbers });
  }
}

function baseOf(mount: Mount): number {
  if (mount.type === 'proc' || mount.type === 'sysfs') return BASE.kernel;
  return isDev(mount) ? BASE.tree : BASE.volume;
}

/** Paths by the mounts that they are in. */
function byMount(
  paths: readonly string[],
  kernel: KernelMounts,
  root: number,
): { base: number; list: string; numbers: number[] }[] {
  const place = below(kernel, root);
  const groups = new Map<number, string[]>();
  for (const path of paths) {
    const [slot, name] = place(path);
    const group = groups.get(slot);
    if (group === undefined) groups.set(slot, [name]);
    else group.push(name);
  }
  const bases = new Map([...kernel.values()].map(({ slot, base }) => [slot, base]));
  return [...groups].map(([slot, names]) => ({
    base: slot,
    list: stringList(names),
    numbers: [bases.get(slot) ?? BASE.tree],
  }));
}

/** What nothing was said about, a tmpfs has from the directory that is there. */
function takenBy(data: string): number {
  const { uid, gid, rest } = tmpfsOwner(data);
  let take = 0;
  if (!rest.some((option) => option.startsWith('mode='))) take |= TAKE.mode;
  if (uid === undefined) take |= TAKE.uid;
  if (gid === undefined) take |= TAKE.gid;
  return take;
}

/** What has to come after all mounts. */
function finishRoot(
  steps: Step[],
  spec: Spec,
  input: LaunchInput,
  root: number,
  views: readonly number[],
): void {
  const cwd = spec.process?.cwd ?? '/';
  // As Docker: a working directory that is missing is made.
  if (cwd !== '/') {
    steps.push({ op: 'dir.make', slots: [root], texts: [cwd], numbers: [0o755, 1] });
  }
  if (input.root.readOnly) {
    for (const view of views) {
      steps.push({ op: 'mount.attr', slots: [view], texts: ['.'], numbers: [ATTR.readOnly] });
    }
  }
}

/** The container's own cgroups as it sees them: one cgroup2, or a directory of v1 hierarchies. */
function attachCgroups(
  steps: Step[],
  spec: Spec,
  input: LaunchInput,
  shared: Shared,
  slots: Slots,
  place: Below,
): void {
  const mount = spec.mounts?.find(isCgroup);
  const { placements, mode } = input.cgroup;
  if (mount === undefined || mode === 'none') return;
  const { attributes } = parseMountOptions(mount.options);
  const attach = (
    tree: number | undefined,
    [base, target]: readonly [number, string],
    set: number,
  ) => {
    steps.push({
      op: 'mount.attach',
      slots: [tree, base],
      texts: [target],
      numbers: [set, TARGET_DIRECTORY],
    });
  };
  if (mode === 'v2') {
    attach(shared.cgroups.get(0), place(mount.destination), 0);
    return;
  }
  const directory = slots.take();
  steps.push({ op: 'tree.view', slots: [directory, shared.scratch], texts: ['cgroup'] });
  attach(directory, place(mount.destination), attributes);
  placements.forEach(({ version, controllers }, index) => {
    const name = hierarchyName(version, controllers);
    attach(shared.cgroups.get(index), [directory, name], 0);
  });
}
