/** The permissions of Node (`--permission`) as the reason of a failure. */
import { CaissonError } from '../base/errors.js';
import { isErrno } from '../base/errno.js';

/** ERR_NO_PRIVILEGES for what Node has refused; another error is returned as it is. */
export function permissionError(error: unknown): unknown {
  if (!isErrno(error, 'ERR_ACCESS_DENIED')) return error;
  const { permission, resource } = error as { permission?: string; resource?: string };
  return new CaissonError(
    'ERR_NO_PRIVILEGES',
    `Node's permissions do not allow ${permission} for ${resource}`,
    {
      stage: 'config',
      path: resource,
      hint: 'add --allow-fs-read=* and, for the data root, the run root and /sys/fs/cgroup, --allow-fs-write',
      cause: error,
    },
  );
}
