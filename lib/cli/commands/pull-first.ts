/** `--pull` of `run` and `create`, with Docker's lines on stderr. */
import { CaissonError } from '../../base/errors.js';
import type { Engine } from '../../engine/engine.js';
import type { PullPolicy } from '../../engine/options/options.js';
import { print } from '../report.js';
import { pullShown, withTag } from './pull-commands.js';

/** @returns the policy with which the container is to be made */
export async function pullFirst(
  { images }: Engine,
  image: string,
  pull: PullPolicy,
  platform: string | undefined,
): Promise<PullPolicy> {
  if (pull === 'never') return pull;
  const isThere = await images.inspect(image).then(
    () => true,
    (error: unknown) => {
      if (error instanceof CaissonError && error.code === 'ERR_NO_SUCH_IMAGE') return false;
      throw error;
    },
  );
  if (isThere && pull === 'missing') return pull;
  if (!isThere) print(2, `Unable to find image '${withTag(image)}' locally\n`);
  await pullShown(images, image, platform === undefined ? {} : { platform }, 2);
  return 'missing';
}
