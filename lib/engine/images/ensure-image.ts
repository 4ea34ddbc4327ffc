/** An image that a container is to be made from is there, or is pulled. */
import { isRootfs, type RootfsImage } from '../../image/rootfs.js';
import { noSuchImage } from '../../image/snapshots/no-such-image.js';
import { findStored } from '../../image/snapshots/resolve.js';
import type { PullPolicy } from '../options/options.js';

export interface EnsureOptions {
  /** Default `missing`. */
  readonly pull?: PullPolicy | undefined;
  /** `linux/arm64`; default: this machine's. */
  readonly platform?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * After it, `resolveImage` finds the image. The host image and root directories need nothing.
 *
 * @throws ERR_NO_SUCH_IMAGE, ERR_INVALID_REFERENCE, and why it could not be pulled
 */
export async function ensureImage(
  { dataRoot }: { readonly dataRoot: string },
  image: string | RootfsImage,
  { pull = 'missing', platform }: EnsureOptions = {},
): Promise<void> {
  if (typeof image !== 'string' || image === 'host' || isRootfs(image)) return;
  if (pull !== 'always' && (await findStored(image, dataRoot, platform)) !== undefined) return;
  throw noSuchImage(image, platform);
}
