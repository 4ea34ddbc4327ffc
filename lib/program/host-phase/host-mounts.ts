/** What is mounted into the container: the scratch tmpfs with its devices and injected files, tmpfs, bind mounts. */
import { encodeDevice } from '../../base/device-number.js';
import type { LinuxDevice, Mount, Spec } from '../../oci/runtime-spec.js';
import { hostId, idMap } from '../id-maps.js';
import type { Step } from '../instructions.js';
import { O_PATH_DIRECTORY, S_IFBLK, S_IFCHR, S_IFIFO } from '../kernel-constants.js';
import type { LaunchInput } from '../launch-input.js';
import {
  ATTR,
  attributesOfTree,
  parseMountOptions,
  PROPAGATION,
  relativeTo,
  tmpfsOwner,
} from '../mount-options.js';
import { devicesInDev, hierarchyName, isCgroup, type KernelFacts, type Shared } from '../shared.js';
import type { Slots } from '../slots.js';
import { openImage, stageOf } from './image-mounts.js';

/** Links of /dev that runtimes make: config-linux.md, "Default Devices" and "Dev symbolic links". */
const DEV_LINKS: readonly (readonly [string, string])[] = [
  ['/proc/self/fd', 'dev/fd'],
  ['/proc/self/fd/0', 'dev/stdin'],
  ['/proc/self/fd/1', 'dev/stdout'],
  ['/proc/self/fd/2', 'dev/stderr'],
  ['/proc/kcore', 'dev/core'],
  ['pts/ptmx', 'dev/ptmx'],
];

/**
 * The scratch tmpfs. Like every tmpfs it is mounted while this thread is root: otherwise /proc/mounts would show the
 * host ids of the user that mounted it.
 */
export function makeScratch(steps: Step[], shared: Shared, label: string | undefined): void {
  steps.push({
    op: 'fs.make',
    slots: [shared.scratch],
    texts: ['tmpfs', 'source=tmpfs,mode=0755,size=65536k,nr_inodes=16384', label],
    numbers: [ATTR.noSuid | ATTR.strictAtime],
  });
}

/** The device nodes, the injected files, and the empty directory that masks are made of. */
export function fillScratch(
  steps: Step[],
  spec: Spec,
  { files, cgroup, rootless, images }: LaunchInput,
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
        encodeDevice({ major: device.major ?? 0, minor: device.minor ?? 0 }),
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
  spec.mounts?.forEach(({ destination }, index) => {
    if (images?.get(destination)?.subpath === undefined) return;
    steps.push({ op: 'dir.make', slots: on, texts: [stageOf(index)], numbers: [0o755] });
  });
  files.forEach(({ content }, index) => {
    steps.push({
      op: 'file.write',
      slots: on,
      texts: [`file${index}`, content],
      numbers: [0o644],
    });
  });
}

/** Each tmpfs of the specification. Its owner can only be changed while it is writable. */
export function makeTmpfs(steps: Step[], spec: Spec, shared: Shared): void {
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

export function openBinds(
  steps: Step[],
  spec: Spec,
  { images, rootless }: LaunchInput,
  kernel: KernelFacts,
  shared: Shared,
  slots: Slots,
  userns: number | undefined,
): void {
  // The user namespace with a mount's id maps; the container's exists already.
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
    const plan = images?.get(mount.destination);
    if (plan !== undefined) {
      const { attributes } = options;
      const own = { attributes, userns: slot, rootless: rootless !== undefined, label: spec.linux?.mountLabel }; // prettier-ignore
      openImage(steps, { plan, tree, ...own }, kernel, slots);
      return;
    }
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
        attributesOfTree(mount.options),
        options.propagation,
        options.idmapped ? SHOW_IDS : 0,
      ],
    });
  });
}

/** What `tree.open` does with a file system that cannot be idmapped: it shows the ids unmapped. */
const SHOW_IDS = 1;
