/** The host's phase: what only the host's root can do, before and beside the new process. */
import { constants } from 'node:fs';
import { compileDeviceRules } from '../cgroup/limits/device-filter.js';
import type { CgroupPlacement, CgroupWrite } from '../cgroup/writes.js';
import type { LinuxDevice, LinuxIdMapping, Mount, Spec } from '../oci/runtime-spec.js';
import { devicesInDev, hierarchyName, isCgroup, type KernelFacts, type Shared } from './shared.js';
import { CAPABILITIES, capabilityMask } from '../oci/capability-sets.js';
import { RLIMITS } from '../oci/rlimits.js';
import { limitNumber, O_RDWR_NOCTTY } from './compile-process.js';
import { slotList, stringList } from './encode.js';
import type { Step } from './instructions.js';
import type { LaunchInput, LayerPlan, StdioPlan } from './launch-input.js';
import { ATTR, parseMountOptions, PROPAGATION, relativeTo, tmpfsOwner } from './mount-options.js';
import type { LaunchSlots, Slots } from './slots.js';

/** linux/sched.h: the namespaces that a process can only be born into. The others it makes itself. */
const CLONE = {
  mount: 0x0002_0000,
  user: 0x1000_0000,
  pid: 0x2000_0000,
  network: 0x4000_0000,
} as const;

/** open(2). The number of O_DIRECTORY differs between architectures: on arm64, x86's is O_DIRECT. */
const { O_RDONLY, O_WRONLY, O_RDWR, O_DIRECTORY } = constants;
export const O_PATH_DIRECTORY = 0x20_0000 | O_DIRECTORY;

/** In a container's directory, beside `owner`: whoever cleans up after a dead process knows its cgroups by their id. */
export const PARENT_LINK = 'cgroup-parent';

export const S_IFCHR = 0o020000;
const S_IFBLK = 0o060000;
const S_IFIFO = 0o010000;

/** Links of /dev that runtimes make: config-linux.md, "Default Devices" and "Dev symbolic links". */
const DEV_LINKS: readonly (readonly [string, string])[] = [
  ['/proc/self/fd', 'dev/fd'],
  ['/proc/self/fd/0', 'dev/stdin'],
  ['/proc/self/fd/1', 'dev/stdout'],
  ['/proc/self/fd/2', 'dev/stderr'],
  ['/proc/kcore', 'dev/core'],
  ['pts/ptmx', 'dev/ptmx'],
];

export function compileHost(
  spec: Spec,
  input: LaunchInput,
  kernel: KernelFacts,
  shared: Shared,
  slots: Slots,
): { steps: Step[]; slots: LaunchSlots } {
  const steps: Step[] = [];
  const { ownUserNamespace } = shared;
  const namespaces = new Set(spec.linux?.namespaces?.map(({ type }) => type));

  // v2: the process is born in its cgroup. v1: it enters by itself, later, so the process comes first and
  // makes its namespaces while this phase goes on.
  const v2 = input.cgroup.placements.filter(({ version }) => version === 2);
  let born: number | undefined;
  // The directory says whose the cgroups are, so it is there before any of them.
  if (v2.length > 0) makeDirectory(steps, input);
  for (const placement of v2) {
    makeCgroup(steps, placement);
    born = slots.take();
    steps.push({
      op: 'file.open',
      slots: [born],
      texts: [placement.dir],
      numbers: [O_PATH_DIRECTORY],
    });
  }
  let flags = CLONE.mount | CLONE.pid;
  if (ownUserNamespace) flags |= CLONE.user;
  // Who is to give it a network finds the namespace there.
  if (input.helper !== undefined) flags |= CLONE.network;
  if (!namespaces.has('pid')) flags &= ~CLONE.pid;
  // The user namespace belongs to container root's user: its limits are not those of who starts it.
  const owner = ownUserNamespace ? shared.rootUid : 0;
  steps.push({ op: 'clone', slots: [born], numbers: [flags, 0, owner, keptByExec(spec)] });
  if (born === undefined) makeDirectory(steps, input);

  let userns: number | undefined;
  if (ownUserNamespace) {
    steps.push({
      op: 'ids.map',
      texts: [idMap(spec.linux?.uidMappings), idMap(spec.linux?.gidMappings)],
    });
    userns = slots.take();
    steps.push({ op: 'ns.open', slots: [userns], texts: ['user'] });
  }
  // Held by this process, so that its teardown thread is who takes the mounts down. A supervisor does that anyway.
  const mounts = input.owner === undefined ? undefined : slots.take();
  if (mounts !== undefined) steps.push({ op: 'ns.open', slots: [mounts], texts: ['mnt'] });
  const label = spec.linux?.mountLabel;
  makeScratch(steps, shared, label);
  makeRoot(steps, input, kernel, shared, slots, userns, label);
  // The container attaches its root while the rest of what its mounts need is made.
  release(steps, [shared.root]);
  fillScratch(steps, spec, input, shared);
  if (ownUserNamespace) steps.push({ op: 'fsids.set', numbers: [0, 0] });
  makeTmpfs(steps, spec, shared);
  openBinds(steps, spec, shared, slots, userns);
  // And makes those while the rest is made here.
  const early = [shared.scratch, ...shared.binds.values(), ...shared.tmpfs.values()];
  early.push(...shared.devices.values());
  if (shared.none !== undefined) {
    early.push(shared.none);
    steps.push({
      op: 'file.open',
      slots: [shared.none],
      texts: ['/dev/null'],
      numbers: [O_RDWR_NOCTTY],
    });
  }
  release(steps, early);

  for (const placement of input.cgroup.placements) {
    if (placement.version !== 1) continue;
    makeCgroup(steps, placement);
    const tasks = slots.take();
    shared.tasks.push(tasks);
    steps.push({
      op: 'file.open',
      slots: [tasks],
      texts: [`${placement.dir}/tasks`],
      numbers: [O_WRONLY],
    });
  }
  if (born !== undefined) filterDevices(steps, input, born);
  openCgroups(steps, spec, input, shared);
  let oom: number | undefined;
  if (input.cgroup.oomFile !== undefined) {
    oom = slots.take();
    steps.push({
      op: 'file.open',
      slots: [oom],
      texts: [input.cgroup.oomFile],
      numbers: [O_RDONLY],
    });
  }
  const near = makePipes(steps, spec, input, shared, slots);
  startHelper(steps, input, slots, userns);
  adjustOomScore(steps, spec);
  if (ownUserNamespace) raiseLimits(steps, spec);
  const streams = [shared.stdin, shared.stdout, shared.stderr].filter((slot) => slot !== undefined);
  release(steps, [...shared.tasks, ...shared.cgroups.values(), ...streams]);
  return { steps, slots: { ...near, oom, hold: mounts === undefined ? [] : [mounts] } };
}

/** With these the container's phase sets everything up in a user namespace of its own. */
const SETUP = capabilityMask([
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETPCAP',
  'CAP_NET_ADMIN',
  'CAP_SYS_ADMIN',
]);

/** Capabilities that caisson-init must have although there is no id map yet when it is executed. */
function keptByExec({ process }: Spec): bigint {
  const sets = process?.capabilities;
  if (sets === undefined) return capabilityMask(CAPABILITIES);
  return SETUP | capabilityMask(sets.permitted) | capabilityMask(sets.inheritable);
}

/** Not that of whoever starts it, as far as that can be taken back: to lower a score needs CAP_SYS_RESOURCE. */
export function adjustOomScore(steps: Step[], { process }: Spec): void {
  const adjustment = process?.oomScoreAdj;
  steps.push({ op: 'oom.set', numbers: adjustment === undefined ? [0, 1] : [adjustment] });
}

/** Hard limits that the container's root may not raise itself. */
export function raiseLimits(steps: Step[], { process }: Spec): void {
  for (const { type, hard } of process?.rlimits ?? [])
    steps.push({ op: 'rlimit.raise', numbers: [RLIMITS[type], limitNumber(hard)] });
}

/** Before the container goes on to its program, which finds its network. */
function startHelper(
  steps: Step[],
  { helper }: LaunchInput,
  slots: Slots,
  userns: number | undefined,
): void {
  if (helper === undefined) return;
  const network = slots.take();
  steps.push(
    { op: 'ns.open', slots: [network], texts: ['net'] },
    {
      op: 'helper.start',
      slots: [userns, network],
      texts: [helper.path, stringList(helper.args)],
      numbers: [helper.namespaceAt, helper.ready === 'ended' ? 0 : 1],
    },
  );
}

/** v2: until then the container's phase runs, which makes and opens no device but those that it is given. */
function filterDevices(steps: Step[], { cgroup }: LaunchInput, directory: number): void {
  const filter = compileDeviceRules(cgroup.deviceRules ?? []);
  if (filter === undefined) return;
  steps.push({ op: 'cgroup.devices', slots: [directory], texts: [filter] });
}

/** Hands descriptors to the container, which waits for them at an `await`. */
export function release(steps: Step[], slots: readonly number[], waits = false): void {
  steps.push({ op: 'release', texts: [slotList(slots)], numbers: [waits ? 1 : 0] });
}

function openBinds(
  steps: Step[],
  spec: Spec,
  shared: Shared,
  slots: Slots,
  userns: number | undefined,
): void {
  // Whose maps a mount has; those of the container are there.
  const maps = ({ uidMappings, gidMappings }: Pick<Mount, 'uidMappings' | 'gidMappings'>) =>
    [idMap(uidMappings), idMap(gidMappings)] as const;
  const users = new Map([[maps(spec.linux ?? {}).join(), userns]]);
  const usersOf = (mount: Mount) => {
    const texts = maps(mount);
    if (!users.has(texts.join())) {
      const slot = slots.take();
      steps.push({ op: 'users.make', slots: [slot], texts });
      users.set(texts.join(), slot);
    }
    return users.get(texts.join());
  };
  spec.mounts?.forEach((mount, index) => {
    const tree = shared.binds.get(index);
    if (tree === undefined) return;
    const options = parseMountOptions(mount.options);
    const slot = options.idmapped ? usersOf(mount) : undefined;
    let path = mount.source;
    let base: number | undefined;
    if (options.beneath !== undefined) {
      base = slots.take();
      path = relativeTo(options.beneath, path ?? '') ?? path;
      steps.push({
        op: 'file.open',
        slots: [base],
        texts: [options.beneath],
        numbers: [O_PATH_DIRECTORY],
      });
    }
    steps.push({
      op: 'tree.open',
      slots: [tree, slot, base],
      texts: [path],
      numbers: [
        options.recursive ? 1 : 0,
        options.attributes,
        options.propagation,
        options.idmapped ? SHOW_IDS : 0,
      ],
    });
  });
}

/** What `tree.open` does with a file system that cannot be idmapped: it shows the ids that are there. */
const SHOW_IDS = 1;

/**
 * The container sees its cgroups as copies of its own directories: a tenth of what mounting each hierarchy
 * anew inside would take.
 */
function openCgroups(steps: Step[], spec: Spec, input: LaunchInput, shared: Shared): void {
  const mount = spec.mounts?.find(isCgroup);
  if (mount === undefined) return;
  const { attributes } = parseMountOptions(mount.options);
  input.cgroup.placements.forEach(({ dir }, index) => {
    steps.push({
      op: 'tree.open',
      slots: [shared.cgroups.get(index)],
      texts: [dir],
      numbers: [0, attributes, PROPAGATION.private],
    });
  });
}

/**
 * The scratch tmpfs. Like every tmpfs it is mounted while this thread is root: /proc/mounts names the ids of who has mounted
 * one, as the host has them, unless it was root.
 */
function makeScratch(steps: Step[], shared: Shared, label: string | undefined): void {
  steps.push({
    op: 'fs.make',
    slots: [shared.scratch],
    texts: ['tmpfs', 'source=tmpfs,mode=0755,size=65536k,nr_inodes=16384', label],
    numbers: [ATTR.noSuid | ATTR.strictAtime],
  });
}

/** Each tmpfs that the container asks for. It can be given away only while it is writable. */
function makeTmpfs(steps: Step[], spec: Spec, shared: Shared): void {
  const { uidMappings, gidMappings, mountLabel } = spec.linux ?? {};
  spec.mounts?.forEach(({ source, options }, index) => {
    const slot = shared.tmpfs.get(index);
    if (slot === undefined) return;
    const { attributes, data } = parseMountOptions(options);
    const { uid, gid, rest } = tmpfsOwner(data);
    const owned = shared.ownUserNamespace || uid !== undefined || gid !== undefined;
    const owner = owned ? [hostId(uidMappings, uid ?? 0), hostId(gidMappings, gid ?? 0), 1] : [];
    steps.push({
      op: 'fs.make',
      slots: [slot],
      texts: ['tmpfs', [`source=${source ?? 'tmpfs'}`, ...rest].join(','), mountLabel],
      numbers: [attributes & ~ATTR.readOnly, ...owner],
    });
  });
}

/** fchown(2): as it is. */
const SAME_OWNER = 0xffff_ffff;

/**
 * Makes the pipes, or passes on Node's own streams; returns the slots of Node's ends.
 *
 * @param ownedLater by the container's phase, where this one may not.
 */
export function makePipes(
  steps: Step[],
  spec: Spec,
  input: Pick<LaunchInput, 'stdin' | 'stdout' | 'stderr'>,
  shared: Pick<Shared, 'stdin' | 'stdout' | 'stderr'>,
  slots: Slots,
  ownedLater = false,
): Omit<LaunchSlots, 'oom' | 'hold'> {
  const user = spec.process?.user ?? { uid: 0, gid: 0 };
  const hostUid = ownedLater ? SAME_OWNER : hostId(spec.linux?.uidMappings, user.uid);
  const hostGid = ownedLater ? SAME_OWNER : hostId(spec.linux?.gidMappings, user.gid);
  const near: { stdin?: number; stdout?: number; stderr?: number } = {};
  const pipe = (name: keyof typeof near, plan: StdioPlan, inside: number | undefined) => {
    if (inside === undefined) return;
    if (plan === 'inherit') {
      const number = ['stdin', 'stdout', 'stderr'].indexOf(name);
      steps.push({ op: 'fd.dup', slots: [inside], numbers: [number] });
      return;
    }
    const outside = slots.take();
    near[name] = outside;
    steps.push({
      op: 'pipe.make',
      slots: [inside, outside],
      numbers: [name === 'stdin' ? 0 : 1, hostUid, hostGid],
    });
  };
  pipe('stdin', input.stdin, shared.stdin);
  pipe('stdout', input.stdout, shared.stdout);
  pipe('stderr', input.stderr, shared.stderr);
  return {
    ...near,
    stdoutInside: near.stdout === undefined ? undefined : shared.stdout,
    stderrInside: near.stderr === undefined ? undefined : shared.stderr,
  };
}

function makeDirectory(steps: Step[], { directory, owner, cgroupParent }: LaunchInput): void {
  if (owner === undefined) return;
  steps.push(
    { op: 'dir.make', texts: [directory], numbers: [0o700] },
    { op: 'symlink.make', texts: [owner, `${directory}/owner`] },
  );
  // And where, if not where all are.
  if (cgroupParent !== undefined)
    steps.push({ op: 'symlink.make', texts: [cgroupParent, `${directory}/${PARENT_LINK}`] });
}

function makeCgroup(steps: Step[], placement: CgroupPlacement): void {
  const { base, baseWrites = [], parent, parentWrites } = placement;
  // v2: to enable controllers again would wait for dying cgroups, so it is done where one is missing.
  const once = placement.version === 2;
  writeFiles(steps, base, baseWrites, once);
  // Where there is nothing to set up, making the container's directory makes the parent too.
  if (parent !== undefined && parentWrites.length > 0) {
    steps.push({ op: 'cgroup.make', texts: [parent], numbers: [1] });
    // Even when it was there: another process may be just about to set it up.
    writeFiles(steps, parent, parentWrites, once);
  }
  steps.push({ op: 'cgroup.make', texts: [placement.dir] });
  writeFiles(steps, placement.dir, placement.writes);
}

/** Writes to the same file in a row become one step with a line each. */
function writeFiles(
  steps: Step[],
  directory: string,
  writes: readonly CgroupWrite[],
  once = false,
): void {
  for (let i = 0; i < writes.length;) {
    const first = writes[i++];
    if (first === undefined) break;
    let { value } = first;
    for (; writes[i]?.file === first.file; i++) value += `\n${writes[i]?.value ?? ''}`;
    const texts = [`${directory}/${first.file}`, value];
    steps.push({ op: 'cgroup.write', texts, numbers: [once ? 1 : 0] });
  }
}

/** The root as a detached tree in `shared.root`. Leaves the thread with container root's file ids. */
function makeRoot(
  steps: Step[],
  { root, directory, owner, rootless, devicesInRoot, layer }: LaunchInput,
  kernel: KernelFacts,
  shared: Shared,
  slots: Slots,
  userns: number | undefined,
  label: string | undefined,
): void {
  const { ownUserNamespace, rootUid, rootGid } = shared;
  const attributes = devicesInRoot === true ? 0 : ATTR.noDev;
  const assume = () => {
    // Work directories and device nodes then belong to container root, whose ids the layers speak.
    if (ownUserNamespace) steps.push({ op: 'fsids.set', numbers: [rootUid, rootGid] });
  };
  const open = (path: string) => {
    const slot = slots.take();
    steps.push({
      op: 'tree.open',
      slots: [slot, userns],
      texts: [path],
      numbers: [0, attributes, PROPAGATION.private],
    });
    return slot;
  };
  if (root.kind === 'direct') {
    steps.push({
      op: 'tree.open',
      slots: [shared.root, userns],
      texts: [root.path],
      numbers: [1, attributes, PROPAGATION.private],
    });
    assume();
    return;
  }
  const mayExist = owner === undefined ? 1 : 0;
  const makeLayer = (inside?: number) => {
    const path = (name: string) => (inside === undefined ? `${directory}/${name}` : name);
    for (const [name, mode] of [
      ['upper', 0o755],
      ['work', 0o700],
    ] as const)
      steps.push({
        op: 'dir.make',
        slots: [inside],
        texts: [path(name)],
        numbers: [mode, mayExist],
      });
  };
  if (layer === undefined) makeLayer();
  const way = kernel.overlayByDescriptor ? 0 : 1;
  const lowers = root.lowers.map(open);
  if (root.sealed !== undefined) {
    const layers = [lowers.pop() ?? 0, open(root.sealed)];
    const sealed = slots.take();
    steps.push({
      op: 'overlay.make',
      slots: [sealed],
      texts: [slotList(layers)],
      numbers: [way, ATTR.readOnly | attributes, 1],
    });
    lowers.push(sealed);
  }
  const own =
    layer === undefined
      ? open(directory)
      : mountLayer(steps, layer, directory, attributes, shared, slots, userns);
  assume();
  // In a layer of its own its directories are made by container root, whose ids it speaks.
  if (layer !== undefined) makeLayer(own);
  steps.push({
    op: 'overlay.make',
    slots: [shared.root, own],
    // What overlay has to note of a file goes where a user namespace may write.
    texts: [slotList(lowers), rootless === undefined ? undefined : 'userxattr', label],
    // In a file system that is kept, and that the container may have filled.
    numbers: [way, attributes, 0, layer?.kind === 'image' ? 1 : 0],
  });
}

/** One for each page: files with content take a page, but names of empty ones would take kernel memory without end. */
function inodesOf(size: number): number {
  return Math.ceil(size / 4096);
}

/** What a layer with a size lies on; returns the slot of its mount. */
function mountLayer(
  steps: Step[],
  layer: LayerPlan,
  directory: string,
  attributes: number,
  { ownUserNamespace, rootUid, rootGid }: Shared,
  slots: Slots,
  userns: number | undefined,
): number {
  if (layer.kind === 'tmpfs') {
    const own = slots.take();
    steps.push({
      op: 'fs.make',
      slots: [own],
      texts: [
        'tmpfs',
        `source=caisson,mode=0755,size=${layer.size},nr_inodes=${inodesOf(layer.size)}`,
      ],
      numbers: [attributes, ...(ownUserNamespace ? [rootUid, rootGid, 1] : [])],
    });
    return own;
  }
  // By a mount that nobody else has: the kernel names the file by its path there, and sysfs shows that to everybody.
  const [around, image, own] = [slots.take(), slots.take(), slots.take()];
  steps.push(
    {
      op: 'tree.open',
      slots: [around],
      texts: [directory],
      numbers: [0, ATTR.noDev, PROPAGATION.private],
    },
    {
      op: 'file.open',
      slots: [image, around],
      texts: [layer.file],
      numbers: [O_RDWR],
    },
    {
      op: 'image.mount',
      slots: [own, image, userns],
      texts: [layer.type, layer.options],
      numbers: [attributes],
    },
  );
  return own;
}

/** The device nodes, the injected files, and the empty directory that masks are made of. */
function fillScratch(
  steps: Step[],
  spec: Spec,
  { files, cgroup, rootless }: LaunchInput,
  { scratch, devices, nodes }: Shared,
): void {
  const on = [scratch];
  steps.push(
    { op: 'dir.make', slots: on, texts: ['empty'], numbers: [0o755] },
    { op: 'dir.make', slots: on, texts: ['dev'], numbers: [0o755] },
  );
  const make = (device: LinuxDevice, name: string) => {
    const bound = devices.get(device.path);
    if (bound !== undefined) {
      steps.push({
        op: 'tree.open',
        slots: [bound],
        texts: [rootless?.devices.get(device.path) ?? device.path],
        numbers: [0, 0, PROPAGATION.private],
      });
      return;
    }
    const type = device.type === 'b' ? S_IFBLK : device.type === 'p' ? S_IFIFO : S_IFCHR;
    steps.push({
      op: 'node.make',
      slots: on,
      texts: [name],
      numbers: [
        type | (device.fileMode ?? 0o666),
        deviceNumber(device.major ?? 0, device.minor ?? 0),
      ],
    });
  };
  for (const device of devicesInDev(spec)) {
    const path = device.path.slice(1);
    const parent = path.slice(0, path.lastIndexOf('/'));
    if (parent !== 'dev') {
      steps.push({ op: 'dir.make', slots: on, texts: [parent], numbers: [0o755, 1] });
    }
    make(device, path);
  }
  for (const { device, name } of nodes.values()) make(device, name);
  for (const [target, path] of DEV_LINKS) {
    steps.push({ op: 'symlink.make', slots: on, texts: [target, path] });
  }
  if (cgroup.mode !== 'v2' && spec.mounts?.some(isCgroup) === true) {
    steps.push({ op: 'dir.make', slots: on, texts: ['cgroup'], numbers: [0o755] });
    for (const { controllers, version } of cgroup.placements) {
      const name = hierarchyName(version, controllers);
      steps.push({ op: 'dir.make', slots: on, texts: [`cgroup/${name}`], numbers: [0o755] });
      if (controllers.length < 2 || version === 2) continue;
      for (const controller of controllers) {
        steps.push({ op: 'symlink.make', slots: on, texts: [name, `cgroup/${controller}`] });
      }
    }
  }
  files.forEach(({ content }, index) => {
    steps.push({
      op: 'file.write',
      slots: on,
      texts: [`file${index}`, content],
      numbers: [0o644],
    });
  });
}

/** The kernel's encoding of a device number: linux/kdev_t.h, new_encode_dev. */
export function deviceNumber(major: number, minor: number): number {
  return (minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12);
}

function idMap(mappings: readonly LinuxIdMapping[] = []): string {
  return mappings.map((m) => `${m.containerID} ${m.hostID} ${m.size}\n`).join('');
}

/** The host's id behind a container's. */
function hostId(mappings: readonly LinuxIdMapping[] | undefined, id: number): number {
  if (mappings === undefined || mappings.length === 0) return id;
  for (const { containerID, hostID, size } of mappings) {
    if (id >= containerID && id < containerID + size) return hostID + (id - containerID);
  }
  return mappings[0]?.hostID ?? 0;
}
