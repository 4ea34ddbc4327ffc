/** Removes a layer's directory, or what was left of one. */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../../base/errno.js';
import type { UserNamespaceIds } from '../../host/user-namespace-ids.js';
import { parseReport } from './archive-report.js';
import { noReport, refusalError } from './layer-errors.js';
import { runArchive } from './run-archive.js';

/**
 * @param users of a rootless user: the files belong to subordinate ids, and only a process in their user namespace may
 *   remove them.
 * @throws ERR_NO_PRIVILEGES, ERR_UNPACK_FAILED
 */
export async function removeLayerTree(
  path: string,
  users: UserNamespaceIds | undefined,
): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
    return;
  } catch (error) {
    if (users === undefined || !isErrno(error, 'EACCES', 'EPERM', 'ENOTEMPTY')) throw error;
  }
  const root = join(path, 'root');
  if (existsSync(root)) {
    const text = await runArchive({
      subcommand: 'remove',
      settings: {},
      input: null,
      directory: root,
      users,
    });
    const report = parseReport(text);
    if (report === undefined) throw noReport(path);
    if ('kind' in report && report.kind !== 'none') throw refusalError(report, path, users);
  }
  await rm(path, { recursive: true, force: true });
}
