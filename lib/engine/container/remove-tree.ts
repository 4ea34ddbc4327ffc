/** Removing a tree of files that may belong to ids of a container. */
import { CaissonError } from '../../base/errors.js';
import { errnoName } from '../../base/errno.js';
import { Encoder } from '../../program/encode.js';
import { tearDown } from './tear-down.js';

/** @throws ERR_REMOVE_FAILED */
export async function removeTree(path: string): Promise<void> {
  const teardown = [{ op: 'tree.remove', texts: [path] }] as const;
  const error = await tearDown(
    new Encoder().encode({ slots: 0, host: [], container: [], teardown }),
  );
  if (error === null) return;
  const errno = errnoName(error.errno);
  throw new CaissonError('ERR_REMOVE_FAILED', `cannot remove ${error.object}: ${error.call}: ${errno}`, { stage: 'teardown', syscall: error.call, errno, path: error.object }); // prettier-ignore
}
