/** The images whose files a container has mounted. */
import { holdImage, type ImageHold } from '../../image/snapshots/image-hold.js';
import { resolveImage } from '../../image/snapshots/resolve.js';
import type { ImagePlan } from '../../program/launch-input.js';
import type { MountConfig } from '../options/mount-config.js';
import type { StartContext } from './context.js';

/** What a start has to hold. */
export interface MountedImage {
  readonly name: string;
  /** Digest. */
  readonly manifest: string;
}

export interface StartImages {
  /** By target. */
  readonly plans: ReadonlyMap<string, ImagePlan>;
  readonly mounted: readonly MountedImage[];
}

const NONE: StartImages = { plans: new Map(), mounted: [] };

/** @throws ERR_NO_SUCH_IMAGE: the machine does not have it; ERR_INVALID_REFERENCE, ERR_INVALID_IMAGE */
export async function startImages(
  { dataRoot }: Pick<StartContext, 'dataRoot'>,
  mounts: readonly MountConfig[],
): Promise<StartImages> {
  if (!mounts.some(({ type }) => type === 'image')) return NONE;
  const plans = new Map<string, ImagePlan>();
  const mounted: MountedImage[] = [];
  for (const { image, target } of mounts) {
    if (image === undefined) continue;
    const { name, manifest: known, subpath } = image;
    const choice = known === undefined ? name : ({ kind: 'image', name, manifest: known } as const);
    const { root, manifest } = await resolveImage(choice, dataRoot);
    // Of the store, so it is made of layers.
    if (root.kind === 'direct' || manifest === undefined) continue;
    plans.set(target, { root, subpath });
    mounted.push({ name, manifest });
  }
  return { plans, mounted };
}

/** With the images that the names mean now, which stay as long as they are held. @throws as `startImages` */
export async function pinImages(
  context: Pick<StartContext, 'dataRoot'>,
  mounts: readonly MountConfig[],
): Promise<{ readonly mounts: readonly MountConfig[]; readonly holds: readonly ImageHold[] }> {
  const holds: ImageHold[] = [];
  const pinned: MountConfig[] = [];
  try {
    for (const mount of mounts) {
      const [found] = (await startImages(context, [mount])).mounted;
      if (found === undefined || mount.image === undefined) {
        pinned.push(mount);
        continue;
      }
      const { manifest, name } = found;
      holds.push(holdImage(context.dataRoot, manifest, name));
      pinned.push({ ...mount, image: { ...mount.image, manifest } });
    }
    return { mounts: pinned, holds };
  } catch (error) {
    for (const hold of holds) hold.release();
    throw error;
  }
}
