/**
 * The account files of a container, /etc/passwd and /etc/group. Their names lead wherever the container wants, so
 * that of a running container they are read from inside, by a process that can be killed; of a root directory, only
 * where they are regular files of a bounded size (cpp/steps/regular_file.h).
 */
import { constants } from 'node:os';
import { join } from 'node:path';
import { CaissonError } from '../../base/errors.js';
import type { Binding } from '../../native/binding.js';
import { errnoName } from '../../base/errno.js';
import { allLowers, type RootPlan } from '../../program/launch-input.js';
import { type FileContents, type FilesToRead, parseFiles, readFiles } from './container-files.js';
import type { StartContext } from './context.js';
import type { Accounts } from '../options/user.js';

const PATHS = ['/etc/passwd', '/etc/group'] as const;

/** Bytes. */
const FILE_LIMIT = 4 << 20;
/** There is no such file, or nothing that could be one. Anything else is an error. */
const ABSENT: ReadonlySet<number> = new Set(
  (['ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES', 'EINVAL', 'ENAMETOOLONG'] as const).map(
    (name) => constants.errno[name],
  ),
);

function refuse(path: string, errno: number): undefined {
  if (ABSENT.has(errno)) return undefined;
  const large = errno === constants.errno.EFBIG;
  throw new CaissonError(
    'ERR_NO_SUCH_USER',
    `${path} of the container ${large ? `is larger than ${FILE_LIMIT} bytes` : 'cannot be read'}`,
    { stage: 'config', path, errno: errnoName(errno) },
  );
}

/**
 * For how long a look at the files is good where no name was asked for, in milliseconds; as one at a directory
 * (image/rootfs.ts).
 */
export const RECHECK_AFTER = 1000;

interface Looked {
  readonly accounts: Accounts;
  readonly at: number;
}

const looked = new WeakMap<RootPlan, Looked>();

/** Those of a root, if the last look is still good. The same object as long as they say the same. */
export function knownAccounts(root: RootPlan): Accounts | undefined {
  const known = looked.get(root);
  if (known === undefined) return undefined;
  return isFixed(root) || performance.now() - known.at < RECHECK_AFTER ? known.accounts : undefined;
}

/**
 * Whether the account files of a root are the same as long as its plan is. What the host image adds of its own never changes:
 * another state of the host is another plan.
 */
export function isFixed(root: RootPlan): boolean {
  return root.kind === 'overlay' && (root.fixed === true || root.views.length > 1);
}
/** The same, with a look. */
export async function lookAtAccounts(binding: Binding, root: RootPlan): Promise<Accounts> {
  const at = performance.now();
  const found = await accountsInImage(binding, root);
  const known = looked.get(root)?.accounts;
  const same = known?.passwd === found.passwd && known?.group === found.group;
  const accounts = known !== undefined && same ? known : found;
  looked.set(root, { accounts, at });
  return accounts;
}

/** Of an image: as its layers are merged; links are followed inside of them. */
async function accountsInImage(binding: Binding, root: RootPlan): Promise<Accounts> {
  const layers = root.kind === 'direct' ? [root.path] : allLowers(root);
  const from =
    root.kind === 'direct' ? '.' : (root.views.find(({ to }) => to === '/')?.from ?? '.');
  const ownLayers = layers.slice(0, frozenCount(root) + 1);
  const roots = from === '.' ? layers : ownLayers.map((layer) => join(layer, from));
  const read = async (path: string) => {
    const found = await binding.readBelow(roots, path, FILE_LIMIT);
    return typeof found === 'number' ? refuse(path, found) : found.toString('utf8');
  };
  const [passwd, group] = await Promise.all(PATHS.map(read));
  return { passwd, group };
}

function frozenCount(root: RootPlan): number {
  return root.kind === 'direct' ? 0 : (root.frozen?.layers.length ?? 0);
}

/** Of a running container. */
export interface AccountsReading {
  /** @throws ERR_TIMEOUT where a file of the container does not answer, and why it could not be read at all */
  readonly accounts: Promise<Accounts>;
  /** Makes it fail with the error. */
  end(error: Error): void;
}

/** As the container's root, in its mount namespace, as they are now. */
export function readAccounts(
  context: Pick<StartContext, 'binding' | 'encoder'>,
  target: Omit<FilesToRead, 'paths' | 'limit'>,
): AccountsReading {
  const reading = readFiles(context, { ...target, paths: PATHS, limit: FILE_LIMIT });
  return {
    accounts: reading.contents.then(accountsFrom),
    end: (error) => reading.end(error),
  };
}

function accountsFrom(contents: FileContents): Accounts {
  const [passwd, group] = PATHS.map((path, index) => {
    const content = contents[index] ?? constants.errno.EIO;
    return typeof content === 'number' ? refuse(path, content) : content;
  });
  return { passwd, group };
}

export function parseAccounts(bytes: Buffer): Accounts {
  return accountsFrom(parseFiles(bytes, PATHS.length, FILE_LIMIT));
}
