/**
 * `it` and `describe` for what not everybody has: an ordinary user lacks what the kernel keeps for root, and may have been
 * delegated no cgroups. What cannot be is skipped, and says why in its title.
 */
import { detectCgroups } from '../../lib/cgroup/detect.js';

export interface Needs {
  readonly it: (title: string, test: Mocha.AsyncFunc | Mocha.Func) => void;
  readonly describe: (title: string, suite: (this: Mocha.Suite) => void) => void;
}

export const isRoot = process.geteuid?.() === 0;
const { controllers } = await detectCgroups();

/** @param why what is root’s about it: `other users’ processes`. */
export function needsRoot(why: string): Needs {
  return needs(isRoot ? undefined : `needs root: ${why}`);
}

/** All of these cgroup controllers, for this user. */
export function needsControllers(...names: readonly string[]): Needs {
  const missing = names.filter((name) => !controllers.has(name));
  const whose = isRoot ? 'this machine' : 'this user';
  return needs(missing.length === 0 ? undefined : `${whose} has no cgroup controller ${missing.join(', ')}`);
}

function needs(lack: string | undefined): Needs {
  if (lack === undefined) return { it, describe };
  const left = (title: string) => `${title} (left out: ${lack})`;
  return {
    it: (title, test) => void it.skip(left(title), test as Mocha.Func),
    describe: (title, suite) => void describe.skip(left(title), suite),
  };
}
