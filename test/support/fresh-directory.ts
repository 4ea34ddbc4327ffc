import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** In the body of a suite: each of its tests has an empty directory, which is removed after it. */
export function setUpFreshDirectory(give: (path: string) => void): void {
  let path: string | undefined;
  beforeEach(async () => {
    path = await mkdtemp(join(tmpdir(), 'caisson-test-'));
    give(path);
  });
  afterEach(async () => {
    if (path !== undefined) await rm(path, { recursive: true, force: true });
  });
}
