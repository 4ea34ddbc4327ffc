/**
 * The account files of a container, /etc/passwd and /etc/group. Their names lead wherever the container wants, so
 * that of a running container they are read from inside, by a process that can be killed; of a root directory, only
 * where they are regular files of a bounded size (cpp/steps/regular_file.h).
 */
import { constants } from 'node:os';
import { join } from 'node:path';
import { CaissonError } from '../../base/errors.js';
import type { Binding } from '../../native/binding.js';
import { type ContainerEvent, containerListener } from '../../native/events.js';
import { compileRead } from '../../program/compile-read.js';
import { errnoName } from '../../base/errno.js';
import { endedEarly, failureOf } from './failure.js';
import type { RootPlan } from '../../program/launch-input.js';
import { Template } from '../../program/template.js';
import { newId } from '../../base/ids.js';
import { makeTemplate } from './native-template.js';
import type { StartContext } from './context.js';
import type { Accounts } from '../options/user.js';

const PATHS = ['/etc/passwd', '/etc/group'] as const;

/** Bytes. */
const FILE_LIMIT = 4 << 20;
/** Of both files, with their sizes. */
const MAX_ANSWER = 2 * (4 + FILE_LIMIT);

/** How long reading them inside a container may take, in milliseconds. */
const PATIENCE = 10_000;

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
  // What the host image adds of its own never changes: another state of the host is another plan.
  const lasts = root.kind === 'overlay' && root.views.length > 1;
  return lasts || performance.now() - known.at < RECHECK_AFTER ? known.accounts : undefined;
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

/** Of an image: of the first layer that has each; links are followed inside that layer only. */
async function accountsInImage(binding: Binding, root: RootPlan): Promise<Accounts> {
  const layers = root.kind === 'direct' ? [root.path] : root.lowers;
  const from =
    root.kind === 'direct' ? '.' : (root.views.find(({ to }) => to === '/')?.from ?? '.');
  const read = async (path: string) => {
    for (const layer of layers) {
      const found = await binding.readBelow(join(layer, from), path, FILE_LIMIT);
      if (typeof found !== 'number') return found.toString('utf8');
      refuse(path, found);
    }
    return undefined;
  };
  const [passwd, group] = await Promise.all(PATHS.map(read));
  return { passwd, group };
}

/** A running container, as `exec` knows it. */
export interface AccountsTarget {
  readonly pid: number;
  readonly startTime: string;
  /** It has a user namespace of its own. */
  readonly ownUserNamespace: boolean;
  /** False where the container can have no groups but its own. */
  readonly groups: boolean;
}

/** Reading them in a running container. */
export interface Reading {
  /** @throws ERR_TIMEOUT where a file of the container does not answer, and why it could not be read at all */
  readonly accounts: Promise<Accounts>;
  /** Makes it fail with the error. */
  end(error: Error): void;
}

/** As the container's root, in its mount namespace, as they are now. */
export function readAccounts(
  { binding, encoder }: Pick<StartContext, 'binding' | 'encoder'>,
  target: AccountsTarget,
): Reading {
  const { pid, ownUserNamespace, groups } = target;
  const { program, teardown, slots } = compileRead({
    pid,
    startTime: BigInt(target.startTime),
    ownUserNamespace,
    groups,
    paths: PATHS,
    limit: FILE_LIMIT,
  });
  const template = makeTemplate(
    binding,
    new Template(program, encoder),
    new Template(teardown, encoder),
    slots,
  );
  const chunks: Buffer[] = [];
  let resolve!: (accounts: Accounts) => void;
  let reject!: (error: unknown) => void;
  const accounts = new Promise<Accounts>((...both) => ([resolve, reject] = both));
  let received = 0;
  let succeeded = false;
  let drained = false;
  const settle = () => {
    clearTimeout(timer);
    try {
      resolve(parseAccounts(Buffer.concat(chunks)));
    } catch (error) {
      reject(error);
    }
  };
  const listener = (event: ContainerEvent) => {
    switch (event.type) {
      case 'data':
        chunks.push(event.bytes);
        received += event.bytes.length;
        if (received > MAX_ANSWER) end(tooLarge());
        break;
      case 'end':
        drained = true;
        if (succeeded) settle();
        break;
      case 'failed':
        fail(failureOf(event.error, program, []));
        break;
      case 'exited':
        if (event.code === 0 && event.executed) {
          succeeded = true;
          if (drained || event.ended.includes(1)) settle();
        } else {
          fail(endedEarly(program, event.timestamps(), event));
        }
        break;
      case 'input':
      case 'waiting':
      case 'terminal':
      case 'started':
      case 'writable':
      case 'gone':
        break;
    }
  };
  const container = binding.launch(template, newId(), 0, false, containerListener(listener));
  const fail = (error: Error) => {
    clearTimeout(timer);
    reject(error);
  };
  // It need not have ended then: a filesystem of the container's may hold it.
  const end = (error: Error) => {
    binding.kill(container, constants.signals.SIGKILL);
    fail(error);
  };
  const timer = setTimeout(() => {
    const message = `the account files of the container did not answer within ${PATIENCE} ms`;
    end(new CaissonError('ERR_TIMEOUT', message, { stage: 'config', path: '/etc/passwd' }));
  }, PATIENCE);
  return { accounts, end };
}

function tooLarge(): CaissonError {
  return new CaissonError('ERR_NO_SUCH_USER', 'the account files of the container are too large', {
    stage: 'config',
    path: PATHS[0],
  });
}

/**
 * What `files.send` has sent: for each file its size or a negated errno, in 32 bits, and its bytes. The sender is among the
 * container's processes, which may have cut it short.
 */
export function parseAccounts(bytes: Buffer): Accounts {
  let at = 0;
  const next = (path: string) => {
    if (bytes.length < at + 4) return refuse(path, constants.errno.EIO);
    const size = bytes.readInt32LE(at);
    at += 4;
    if (size < 0) return refuse(path, -size);
    if (size > FILE_LIMIT || bytes.length < at + size) return refuse(path, constants.errno.EIO);
    at += size;
    return bytes.toString('utf8', at - size, at);
  };
  const [passwd, group] = PATHS.map(next);
  return { passwd, group };
}
