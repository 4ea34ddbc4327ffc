/** `--network ns:PATH`: a file that is a network namespace. */
import { readFile, readlink, realpath, statfs } from 'node:fs/promises';
import { invalid } from '../../base/check.js';
import { parseMountinfo } from '../../cgroup/mountinfo.js';
import { CaissonError } from '../../base/errors.js';

/** linux/magic.h */
const NSFS_MAGIC = 0x6e73_6673;

/**
 * Whether a start may join it. The step `ns.file` asks the kernel again, of the file that it opens.
 *
 * @throws ERR_NO_SUCH_SOURCE, ERR_INVALID_OPTION
 */
export async function checkNetworkFile(path: string): Promise<void> {
  const type = await statfs(path).then(
    (found) => found.type,
    (cause: unknown) => {
      throw new CaissonError('ERR_NO_SUCH_SOURCE', `network: ${path} cannot be opened`, {
        stage: 'config',
        path,
        errno: (cause as NodeJS.ErrnoException).code,
        hint: 'the file of a network namespace: /run/netns/NAME (ip netns add NAME), /proc/PID/ns/net',
        cause,
      });
    },
  );
  const kind = type === NSFS_MAGIC ? await kindOf(path) : undefined;
  if (kind === 'net') return;
  throw invalid(
    'network',
    `ns:${path}`,
    kind === undefined ? 'is not a namespace' : `is a namespace of another kind: ${kind}`,
    'ip netns add NAME makes one at /run/netns/NAME',
  );
}

/** A link in /proc says it itself; a file that is mounted elsewhere, in proc_pid_mountinfo(5). */
async function kindOf(path: string): Promise<string | undefined> {
  const link = await readlink(path).catch(() => '');
  const said = /^(\w+):\[\d+\]$/.exec(link)?.[1];
  if (said !== undefined) return said;
  const [real, mounts] = await Promise.all([
    realpath(path).catch(() => path),
    readFile('/proc/self/mountinfo', 'utf8').catch(() => ''),
  ]);
  const mount = parseMountinfo(mounts).findLast(({ mountPoint }) => mountPoint === real);
  return /^(\w+):\[\d+\]$/.exec(mount?.root ?? '')?.[1];
}
