/** Mounts of the files of an image: its layers, merged, without one to write to. */
import { slotList, stringList } from '../encode.js';
import type { Step } from '../instructions.js';
import type { ImagePlan } from '../launch-input.js';
import { ATTR, PROPAGATION } from '../mount-options.js';
import type { KernelFacts } from '../shared.js';
import type { Slots } from '../slots.js';

/** A directory of the scratch tmpfs, where the whole of an image is mounted of which the container has a part. */
export function stageOf(index: number): string {
  return `image${index}`;
}

export interface ImageMount {
  readonly plan: ImagePlan;
  /** Is filled with a detached tree. */
  readonly tree: number;
  /** MOUNT_ATTR_* bits; it is read-only in any case. */
  readonly attributes: number;
  readonly userns: number | undefined;
  readonly rootless: boolean;
  readonly label: string | undefined;
}

export function openImage(
  steps: Step[],
  { plan: { root }, tree, attributes, userns, rootless, label }: ImageMount,
  kernel: KernelFacts,
  slots: Slots,
): void {
  const flags = attributes | ATTR.readOnly;
  const [only = '/', ...more] = root.lowers;
  // Overlay wants two layers, or one to write to.
  if (more.length === 0) {
    steps.push({
      op: 'tree.open',
      slots: [tree, userns],
      texts: [only],
      numbers: [0, flags, PROPAGATION.private],
    });
    return;
  }
  const { base = '/' } = root;
  const all = slots.take();
  steps.push(
    {
      op: 'tree.open',
      slots: [all, userns],
      texts: [base],
      numbers: [0, flags, PROPAGATION.private],
    },
    {
      op: 'overlay.make',
      slots: [tree, undefined, all],
      texts: [
        slotList([]),
        rootless ? 'userxattr' : undefined,
        label,
        stringList(root.lowers.map((path) => path.slice(base.length + 1))),
      ],
      numbers: [kernel.overlayByDescriptor ? 0 : 1, flags],
    },
  );
}
