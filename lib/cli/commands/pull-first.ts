/** `--pull` of `run` and `create`, with Docker's lines on stderr. */
import type { Engine } from '../../engine/engine.js';
import { withTag } from '../../engine/options/image-names.js';
import type { PullPolicy } from '../../engine/options/options.js';
import { findStored } from '../../image/snapshots/resolve.js';
import { print } from '../report.js';
import { pullShown } from './pull-commands.js';

/** @returns the policy with which the container is to be made */
export async function pullFirst(
  { images, dataRoot }: Engine,
  image: string,
  pull: PullPolicy,
  platform: string | undefined,
): Promise<PullPolicy> {
  if (pull === 'never') return pull;
  if (pull === 'missing') {
    if ((await findStored(image, dataRoot, platform)) !== undefined) return pull;
    print(2, `Unable to find image '${withTag(image)}' locally\n`);
  }
  await pullShown(images, image, platform === undefined ? {} : { platform }, 2);
  return 'missing';
}
