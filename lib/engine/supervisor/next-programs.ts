/** Telling a supervisor what it is to run next, and to tear down: the other side is cpp/supervisor/programs.h. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { StagedFile } from '../../base/storage.js';

/** In the container's directory, while the supervisor reads it. */
const FILE = 'next-programs';

/**
 * @param bytes of `supervisorConfig`
 * @param tell sends the request, `SupervisorConnection.programs`
 * @throws ERR_STORAGE, and what `tell` throws
 */
export async function replacePrograms<T>(
  directory: string,
  bytes: Uint8Array,
  tell: () => Promise<T>,
): Promise<T> {
  const path = join(directory, FILE);
  await (await StagedFile.write(path, bytes)).commit();
  try {
    return await tell();
  } finally {
    await rm(path, { force: true });
  }
}
