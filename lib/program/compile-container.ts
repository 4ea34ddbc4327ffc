/** The container's half: from fresh namespaces to the user's program. Order is what matters here. */
import type { Spec } from '../oci/runtime-spec.js';
import { isCgroup, isPlainShm, type Shared } from './compile.js';
import { hierarchyName } from './compile-host.js';
import {
  becomeUser,
  connectStdio,
  execProgram,
  O_RDWR_NOCTTY,
  openTerminal,
} from './compile-process.js';
import { stringList } from './encode.js';
import type { Step } from './instructions.js';
import type { LaunchInput } from './launch.js';
import { ATTR, parseMountOptions } from './mount-options.js';
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

/** Places in the launcher's small mount namespace, of which the container has a copy until it pivots. */
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

  // Needs nothing of the host's half, and runs while that is at work.
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

  steps.push({ op: 'await' });
  if (shared.ownUsers) steps.push({ op: 'ids.set', numbers: [0, 0] }, { op: 'groups.set' });
  // The message queues' filesystem belongs to who made the namespace, hence after `ids.set`.
  if (namespaces.has('ipc')) steps.push({ op: 'ns.unshare', numbers: [UNSHARE.ipc] });
  const root = attachRoot(steps, input, shared, slots);
  attachMounts(steps, spec, input, shared, slots, root);

  // Cgroups come late: what the set-up has used of memory is not charged to the container's limit.
  steps.push({ op: 'await' });
  for (const tasks of shared.tasks) steps.push({ op: 'cgroup.enter', slots: [tasks] });
  if (namespaces.has('cgroup')) steps.push({ op: 'ns.unshare', numbers: [UNSHARE.cgroup] });
  attachCgroups(steps, spec, input, shared, slots, root);
  finishRoot(steps, spec, input, root);

  const terminal = openTerminal(steps, spec, input.terminal, slots, root, true);
  steps.push({ op: 'root.pivot', slots: [root] });

  for (const [key, value] of Object.entries(spec.linux?.sysctl ?? {})) {
    steps.push({ op: 'sysctl.write', texts: [key.replaceAll('.', '/'), value] });
  }
  if (input.init) steps.push({ op: 'init' });
  connectStdio(steps, shared, terminal, () => {
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

/** Puts the root where it can be pivoted to; returns the slot that stands for it. */
function attachRoot(steps: Step[], { root }: LaunchInput, shared: Shared, slots: Slots): number {
  steps.push({
    op: 'mount.attach',
    slots: [shared.scratch],
    texts: [SCRATCH],
    numbers: [0, TARGET_DIRECTORY],
  });
  for (const [path, tree] of shared.devices) {
    steps.push({
      op: 'mount.attach',
      slots: [tree, shared.scratch],
      texts: [path.slice(1)],
      numbers: [0, TARGET_FILE],
    });
  }
  if (root.kind === 'direct' || (root.views.length === 1 && root.views[0]?.from === '.')) {
    steps.push({
      op: 'mount.attach',
      slots: [shared.root],
      texts: [ROOT],
      numbers: [0, TARGET_DIRECTORY],
    });
    return shared.root;
  }
  // The overlay is seen in parts: each part is a mount of its own of the same filesystem.
  steps.push({
    op: 'mount.attach',
    slots: [shared.root],
    texts: [STAGE],
    numbers: [0, TARGET_DIRECTORY],
  });
  let top: number | undefined;
  for (const { from, to } of root.views) {
    let tree = shared.root;
    if (from !== '.') {
      tree = slots.take();
      steps.push({ op: 'tree.view', slots: [tree, shared.root], texts: [from] });
    }
    steps.push({
      op: 'mount.attach',
      slots: [tree, top],
      texts: [to === '/' ? ROOT : to],
      numbers: [0, TARGET_DIRECTORY],
    });
    top ??= tree;
    // The parts themselves show through the one that shows everything.
    if (from === '.') {
      for (const part of root.views) {
        if (part.from === '.') continue;
        steps.push({
          op: 'mount.mask',
          slots: [top, shared.scratch],
          texts: [stringList([`${to}/${part.from}`])],
        });
      }
    }
  }
  return top ?? shared.root;
}

function attachMounts(
  steps: Step[],
  spec: Spec,
  input: LaunchInput,
  shared: Shared,
  slots: Slots,
  root: number,
): void {
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
    if (tree !== undefined) {
      steps.push({
        op: 'mount.attach',
        slots: [tree, root],
        texts: [mount.destination],
        numbers: [0, TARGET_AS_TREE],
      });
    } else if (mount.destination === '/dev' && mount.type === 'tmpfs') {
      steps.push({
        op: 'mount.attach',
        slots: [view('dev'), root],
        texts: ['/dev'],
        numbers: [attributes & ~(ATTR.strictAtime | ATTR.noAtime), TARGET_DIRECTORY],
      });
    } else if (shared.shm !== undefined && isPlainShm(mount)) {
      steps.push({
        op: 'mount.attach',
        slots: [shared.shm, root],
        texts: [mount.destination],
        numbers: [0, TARGET_DIRECTORY],
      });
    } else {
      steps.push({
        op: 'mount.fs',
        slots: [root],
        texts: [mount.type, data === '' ? undefined : data, mount.destination],
        numbers: [attributes],
      });
    }
  });
  input.files.forEach(({ path }, index) => {
    steps.push({
      op: 'mount.attach',
      slots: [view(`file${index}`), root],
      texts: [path],
      numbers: [input.root.readOnly ? ATTR.readOnly : 0, TARGET_FILE],
    });
  });
  const { maskedPaths = [], readonlyPaths = [] } = spec.linux ?? {};
  if (maskedPaths.length > 0) {
    const paths = stringList(maskedPaths);
    steps.push({ op: 'mount.mask', slots: [root, shared.scratch], texts: [paths] });
  }
  if (readonlyPaths.length > 0) {
    steps.push({ op: 'mount.readonly', slots: [root], texts: [stringList(readonlyPaths)] });
  }
}

/** What has to come after all mounts. */
function finishRoot(steps: Step[], spec: Spec, input: LaunchInput, root: number): void {
  const cwd = spec.process?.cwd ?? '/';
  // As Docker: a working directory that is missing is made.
  if (cwd !== '/') {
    steps.push({ op: 'dir.make', slots: [root], texts: [cwd], numbers: [0o755, 1] });
  }
  if (input.root.readOnly) {
    const places = input.root.kind === 'direct' ? ['/'] : input.root.views.map(({ to }) => to);
    for (const place of places) {
      steps.push({ op: 'mount.attr', slots: [root], texts: [place], numbers: [ATTR.readOnly] });
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
  root: number,
): void {
  const mount = spec.mounts?.find(isCgroup);
  const { placements, mode } = input.cgroup;
  if (mount === undefined || mode === 'none') return;
  const { attributes } = parseMountOptions(mount.options);
  const attach = (tree: number | undefined, target: string, set: number) => {
    steps.push({
      op: 'mount.attach',
      slots: [tree, root],
      texts: [target],
      numbers: [set, TARGET_DIRECTORY],
    });
  };
  if (mode === 'v2') {
    attach(shared.cgroups.get(0), mount.destination, 0);
    return;
  }
  const directory = slots.take();
  steps.push({ op: 'tree.view', slots: [directory, shared.scratch], texts: ['cgroup'] });
  attach(directory, mount.destination, attributes);
  placements.forEach(({ version, controllers }, index) => {
    const name = hierarchyName(version, controllers);
    attach(shared.cgroups.get(index), `${mount.destination}/${name}`, 0);
  });
}
