/** The container's mounts, in the order of the specification, and what is shown of its cgroups. */
import type { Mount, Spec } from '../../oci/runtime-spec.js';
import type { Step } from '../instructions.js';
import type { LaunchInput } from '../launch-input.js';
import { ATTR, attributesOfTree, parseMountOptions, tmpfsOwner } from '../mount-options.js';
import { hierarchyName, isCgroup, isDev, type Shared } from '../shared.js';
import { stageOf } from '../host-phase/image-mounts.js';
import type { Slots } from '../slots.js';
import { BASE, type Below, below, type KernelMounts, TARGET } from './mount-targets.js';

/** What a tmpfs takes from the directory that it covers: the fourth number of `mount.attach`. */
const TAKE = { mode: 1, uid: 2, gid: 4 } as const;

/**
 * What `mount.fs` labels for SELinux: all files, or the root directory of a file system that accepts no label as a
 * whole. The labels of proc and sysfs come from the policy alone. As in runc.
 */
const LABELLED = { all: 0, root: 1 } as const;
const NEVER_LABELLED: ReadonlySet<string | undefined> = new Set(['proc', 'sysfs']);

/** See `KernelMounts`. */
const KERNEL_PATHS: ReadonlySet<string> = new Set(['/proc', '/sys', '/dev']);

export function attachMounts(
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
    const { attributes, data, copyUp } = parseMountOptions(mount.options);
    const tmpfs = shared.tmpfs.get(index);
    const [base, target] = place(mount.destination);
    let slot: number;
    if (tree !== undefined) {
      slot = partOf(steps, input, mount, index, tree, shared, slots);
      if (copyUp) steps.push({ op: 'tree.fill', slots: [slot, base], texts: [target, input.id] });
      steps.push({
        op: 'mount.attach',
        slots: [slot, base],
        texts: [target],
        numbers: readOnlyWhenAttached(mount),
      });
    } else if (isDev(mount)) {
      slot = view('dev');
      steps.push({
        op: 'mount.attach',
        slots: [slot, base],
        texts: [target],
        numbers: [attributes & ~(ATTR.strictAtime | ATTR.noAtime), TARGET.directory],
      });
    } else if (tmpfs !== undefined) {
      slot = tmpfs;
      steps.push({
        op: 'mount.attach',
        slots: [slot, base],
        texts: [target],
        numbers: [attributes & ATTR.readOnly, TARGET.directory, 0, takenBy(data)],
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
    if (KERNEL_PATHS.has(mount.destination)) {
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
      numbers: [0, TARGET.file],
    });
  }
  input.files.forEach(({ path }, index) => {
    steps.push({
      op: 'mount.attach',
      slots: [view(`file${index}`), root],
      texts: [path],
      numbers: [input.root.readOnly ? ATTR.readOnly : 0, TARGET.file],
    });
  });
  return kernel;
}

/** Of an image, if not all of it is mounted: the whole is attached where it can be looked into, until the root is pivoted. */
function partOf(
  steps: Step[],
  { images }: LaunchInput,
  { destination }: Mount,
  index: number,
  tree: number,
  { scratch }: Shared,
  slots: Slots,
): number {
  const subpath = images?.get(destination)?.subpath;
  if (subpath === undefined) return tree;
  const part = slots.take();
  steps.push(
    {
      op: 'mount.attach',
      slots: [tree, scratch],
      texts: [stageOf(index)],
      numbers: [0, TARGET.directory],
    },
    { op: 'tree.view', slots: [part, tree], texts: [subpath] },
  );
  return part;
}

/** The numbers of `mount.attach` for a bind. */
function readOnlyWhenAttached({ options }: Mount): readonly number[] {
  const { attributes, recursive, copyUp } = parseMountOptions(options);
  const late = attributes & ATTR.readOnly & ~attributesOfTree(options);
  return late === 0 ? [0, TARGET.asTree] : [late, TARGET.asTree, copyUp && recursive ? 1 : 0];
}

function baseOf(mount: Mount): number {
  if (mount.type === 'proc' || mount.type === 'sysfs') return BASE.kernel;
  return isDev(mount) ? BASE.tree : BASE.volume;
}

/** Attributes that the options leave out are taken from the directory that the tmpfs covers. */
function takenBy(data: string): number {
  const { uid, gid, rest } = tmpfsOwner(data);
  let take = 0;
  if (!rest.some((option) => option.startsWith('mode='))) take |= TAKE.mode;
  if (uid === undefined) take |= TAKE.uid;
  if (gid === undefined) take |= TAKE.gid;
  return take;
}

/** The container's own cgroups as it sees them: one cgroup2, or a directory of v1 hierarchies. */
export function attachCgroups(
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
      numbers: [set, TARGET.directory],
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
