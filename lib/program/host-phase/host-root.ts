/** The root file system: a directory as it is, or an overlay with the container's writable layer. */
import { constants } from 'node:fs';
import { IN_FROZEN_TREE, slotList, stringList } from '../encode.js';
import type { Step } from '../instructions.js';
import type { LaunchInput, LayerPlan } from '../launch-input.js';
import { ATTR, PROPAGATION } from '../mount-options.js';
import type { KernelFacts, Shared } from '../shared.js';
import type { Slots } from '../slots.js';

/** The root as a detached tree in `shared.root`. Leaves the thread with container root's file ids. */
export function makeRoot(
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
    // Work directories and device nodes then belong to container root, whose ids the layers use.
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
  // The layers of an image are directories of one mount, and take no slots: there may be more of them than slots.
  const { base } = root;
  const inBase = base === undefined ? NONE : root.lowers.filter((path) => isBelow(base, path));
  const { frozen } = root;
  const frozenTree = frozen && open(frozen.base);
  const lowers = root.lowers.filter((path) => !inBase.includes(path)).map(open);
  const tree = inBase.length === 0 ? undefined : open(base ?? '/');
  if (root.sealed !== undefined) {
    const pair = [lowers.pop() ?? 0, open(root.sealed)];
    const sealed = slots.take();
    steps.push({
      op: 'overlay.make',
      slots: [sealed],
      texts: [slotList(pair)],
      numbers: [way, ATTR.readOnly | attributes, 1],
    });
    lowers.push(sealed);
  }
  const own =
    layer === undefined
      ? open(directory)
      : mountLayer(steps, layer, directory, attributes, shared, slots, userns);
  assume();
  // In a separate layer the directories are made by container root, whose ids the layer uses.
  if (layer !== undefined) makeLayer(own);
  steps.push({
    op: 'overlay.make',
    slots: [shared.root, own, tree, frozenTree],
    texts: [
      slotList([...(frozen?.layers ?? NONE).map(() => IN_FROZEN_TREE), ...lowers]),
      // overlay stores its attributes of files where a user namespace may write.
      rootless === undefined ? undefined : 'userxattr',
      label,
      tree === undefined && frozen === undefined
        ? undefined
        : stringList([
            ...(frozen?.layers ?? NONE).map((path) => path.slice((frozen?.base ?? '').length + 1)),
            ...inBase.map((path) => path.slice((base ?? '').length + 1)),
          ]),
    ],
    // In a persistent file system, which the container may have filled.
    numbers: [way, attributes, 0, layer?.kind === 'image' ? 1 : 0],
  });
}

const NONE: readonly string[] = Object.freeze([]);

function isBelow(base: string, path: string): boolean {
  return path.startsWith(`${base}/`);
}

/** One inode for each page: without a limit, empty files would use unlimited kernel memory. */
function inodesOf(size: number): number {
  return Math.ceil(size / 4096);
}

/** Mounts the file system of a layer with a size; returns the slot of the mount. */
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
  // Through a private mount: sysfs shows the path of the file to all users, and there it is relative to the mount.
  const [parent, image, own] = [slots.take(), slots.take(), slots.take()];
  steps.push(
    {
      op: 'tree.open',
      slots: [parent],
      texts: [directory],
      numbers: [0, ATTR.noDev, PROPAGATION.private],
    },
    {
      op: 'file.open',
      slots: [image, parent],
      texts: [layer.file],
      numbers: [constants.O_RDWR],
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
