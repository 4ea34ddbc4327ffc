/** Removal of a directory whose files may belong to ids of containers. */
import { errnoName } from '../../base/errno.js';
import { CaissonError } from '../../base/errors.js';
import { Encoder } from '../../program/encode.js';
import { tearDown } from './tear-down.js';

/** @throws ERR_REMOVE_FAILED */
export async function removeTree(path: string): Promise<void> {
  const teardown = [{ op: 'tree.remove', texts: [path] }] as const;
  const program = { slots: 0, host: [], container: [], teardown };
  const error = await tearDown(new Encoder().encode(program));
  if (error === null) return;
  const errno = errnoName(error.errno);
  throw new CaissonError(
    'ERR_REMOVE_FAILED',
    `cannot remove ${error.object}: ${error.call}: ${errno}`,
    { stage: 'teardown', syscall: error.call, errno, path: error.object },
  );
}
