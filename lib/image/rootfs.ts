/** A directory on the host as a container's root: one made by debootstrap, unpacked from an archive, … */
import { readdir } from 'node:fs/promises';
import { CaissonError } from '../base/errors.js';
import type { RootPlan } from '../program/launch-input.js';
import { absolutePath } from '../base/working-directory.js';

/**
 * What happens to writes. `overlay`: they go into a layer of the container's own, above the directory;
 * `direct`: into the directory; `none`: they fail.
 */
export type RootfsWritable = 'overlay' | 'direct' | 'none';

/** What `rootfs` can be asked for. */
export interface RootfsOptions {
  /** The default is `overlay`. */
  readonly writable?: RootfsWritable | undefined;
}

/** A value for the image's place in `run` and `create`; made by `rootfs`. */
export interface RootfsImage {
  /** Tells it from other values. */
  readonly kind: 'rootfs';
  /** Absolute. */
  readonly path: string;
  /** What happens to writes. */
  readonly writable: RootfsWritable;
}

const WRITABLE: readonly unknown[] = ['overlay', 'direct', 'none'];

/** Whether the value is what `rootfs` makes. */
export function isRootfs(value: unknown): value is RootfsImage {
  const { kind, path, writable } = (value ?? {}) as Partial<RootfsImage>;
  return kind === 'rootfs' && typeof path === 'string' && WRITABLE.includes(writable);
}

/**
 * Names a directory as the root. A relative path is taken from the present working directory, at once.
 * Nothing is looked at before a container is started.
 *
 * @throws ERR_INVALID_ROOTFS for what cannot be a path, ERR_INVALID_OPTION for another `writable`.
 *
 * @example
 * import { rootfs } from 'caisson';
 *
 * await box.files.copyOut('/.', 'root');
 * const { stdout } = await engine.run(rootfs('root', { writable: 'none' }), ['echo', 'hello']);
 * console.log(stdout.trim()); // hello
 */
export function rootfs(path: string, options: RootfsOptions = {}): RootfsImage {
  const { writable = 'overlay' } = options;
  const known = made.get(writable)?.get(path);
  if (known !== undefined) return known;
  if (typeof path !== 'string' || path === '' || path.includes('\0')) {
    throw invalid(String(path), 'is no path');
  }
  if (!WRITABLE.includes(writable)) {
    throw new CaissonError('ERR_INVALID_OPTION', `writable: ${String(writable)} is not known`, {
      stage: 'config',
      path: 'writable',
      hint: 'one of overlay, direct, none',
    });
  }
  const absolute = isPlain(path) ? path : absolutePath('rootfs', path);
  let same = made.get(writable);
  if (same === undefined) made.set(writable, (same = new Map<string, RootfsImage>()));
  let image = same.get(absolute);
  if (image === undefined) {
    image = Object.freeze({ kind: 'rootfs', path: absolute, writable } as const);
    if (same.size >= maxRemembered) same.clear();
    same.set(absolute, image);
  }
  return image;
}

/** Absolute, and nothing in it that resolving would change. */
function isPlain(path: string): boolean {
  return path.startsWith('/') && !/\/(?:\/|\.|$)/.test(path);
}

/** Looks at the directory and says how the root is put together. */
export async function planRootfs(image: RootfsImage): Promise<RootPlan> {
  const { path, writable } = image;
  if (path === '/') {
    throw invalid(path, 'is the host itself', "use the image 'host' for a root with its programs");
  }
  const now = performance.now();
  const known = plans.get(image);
  if (known !== undefined && isFresh(known, now)) return known.plan;
  await check(path);
  const plan = known?.plan ?? planOf(path, writable);
  plans.set(image, { plan, checkedAt: now });
  return plan;
}

/** The same, if the last look at the directory is still good. */
export function knownRootfs(image: RootfsImage): RootPlan | undefined {
  const known = plans.get(image);
  return known !== undefined && isFresh(known, performance.now()) ? known.plan : undefined;
}

function isFresh({ checkedAt }: { readonly checkedAt: number }, now: number): boolean {
  return now - checkedAt < recheckAfter;
}

/** For how long a look at a directory is good, in milliseconds. */
const recheckAfter = 1000;
const maxRemembered = 256;

/** The same directory is the same image, by its absolute path, as an object too: so is its plan. */
const made = new Map<RootfsWritable, Map<string, RootfsImage>>();

/** What was found there; what is compiled from a plan is found by that object. */
const plans = new WeakMap<RootfsImage, { readonly plan: RootPlan; readonly checkedAt: number }>();

function planOf(path: string, writable: RootfsWritable): RootPlan {
  if (writable === 'direct') return { kind: 'direct', path, readOnly: false };
  // Also without writing: what is missing of the mount points is made in the layer above, not in the
  // directory.
  return {
    kind: 'overlay',
    lowers: [path],
    views: [{ from: '.', to: '/' }],
    readOnly: writable === 'none',
  };
}

async function check(path: string): Promise<void> {
  let names: string[];
  try {
    // One call says whether it is missing, no directory, closed to this user, or empty.
    names = await readdir(path);
  } catch (error) {
    throw unreadable(path, error as NodeJS.ErrnoException);
  }
  if (names.length === 0) {
    throw invalid(path, 'is empty', 'fill it first, for example with debootstrap');
  }
}

function unreadable(path: string, error: NodeJS.ErrnoException): CaissonError {
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: 'does not exist',
    ENOTDIR: 'is not a directory',
    EACCES: 'cannot be read by this user',
  };
  const hint =
    error.code === 'ENOTDIR' ? 'unpack an archive into a directory of its own first' : undefined;
  const reason = reasons[error.code ?? ''] ?? `cannot be read: ${error.code ?? error.message}`;
  return invalid(path, reason, hint, error);
}

function invalid(
  path: string,
  reason: string,
  hint?: string,
  cause?: NodeJS.ErrnoException,
): CaissonError {
  return new CaissonError('ERR_INVALID_ROOTFS', `root directory ${path} ${reason}`, {
    stage: 'image',
    path,
    hint,
    errno: cause?.code,
    syscall: cause?.syscall,
    cause,
  });
}
