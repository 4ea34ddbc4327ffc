/** An image that a container is to be made from is there, or is pulled. */

import type { OnProgress } from '../../image/image-progress.js';
import { noSuchImage } from '../../image/snapshots/no-such-image.js';
import { findStored, type ImageChoice } from '../../image/snapshots/resolve.js';
import type { PullPolicy } from '../options/options.js';
import type { Store } from '../store/store.js';

export interface EnsureOptions {
  /** Default `missing`. */
  readonly pull?: PullPolicy | undefined;
  /** `linux/arm64`; default: this machine's. */
  readonly platform?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
  /** Called before anything is asked of a registry: throws what is wrong with the other options. */
  readonly check?: (() => void) | undefined;
}

/** What can only be an id is in no registry. */
const ID = /^(?:sha256:)?[0-9a-f]{64}$/;

/**
 * After it, `resolveImage` finds the image. The host image and root directories need nothing.
 *
 * @throws ERR_NO_SUCH_IMAGE, ERR_INVALID_REFERENCE, and why it could not be pulled
 */
export async function ensureImage(
  { dataRoot, store }: { readonly dataRoot: string; readonly store: Store },
  image: ImageChoice,
  { pull = 'missing', platform, signal, onProgress, check }: EnsureOptions = {},
): Promise<void> {
  if (typeof image !== 'string' || image === 'host') return;
  if (pull !== 'always' && (await findStored(image, dataRoot, platform)) !== undefined) return;
  if (pull === 'never' || ID.test(image)) throw noSuchImage(image, platform);
  check?.();
  const { pullImage } = await import('./pull-image.js');
  const { imagesContext } = await import('./images-context.js');
  await pullImage(imagesContext(store), image, { platform, signal, onProgress });
}
