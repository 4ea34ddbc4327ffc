/** The controllers that cgroups of v2 have for their children: cgroup-v2.rst, "Enabling and Disabling". */
import { writeFile } from 'node:fs/promises';
import { readIn } from './cgroup-paths.js';

const FILE = 'cgroup.subtree_control';

/**
 * Only those that are not enabled yet: enabling one again would wait for dying cgroups below.
 *
 * @param words `+memory +pids`
 */
export async function enableControllers(dir: string, words: string): Promise<void> {
  const enabled = new Set((await readIn(dir, FILE))?.trim().split(' '));
  const missing = words.split(' ').filter((word) => !enabled.has(word.slice(1)));
  if (missing.length > 0) await writeFile(`${dir}/${FILE}`, missing.join(' '));
}
