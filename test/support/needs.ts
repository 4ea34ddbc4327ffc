/**
 * `it` and `describe` for tests that need more than every machine and user has: an unprivileged user lacks what the kernel keeps
 * for root, and may have been delegated no cgroups. Such tests are skipped with the reason.
 */
import { spawnSync } from 'node:child_process';
import { detectCgroups } from '../../lib/cgroup/detect.js';
import { isRoot as ofMachine } from '../../lib/host/user-namespace-ids.js';
import { hasSelinux } from '../../lib/host/selinux.js';
import { skipping } from './skip.js';

export interface Needs {
  readonly it: Mocha.PendingTestFunction;
  readonly describe: Mocha.PendingSuiteFunction;
}

/** Not of a user namespace alone. */
export const isRoot = ofMachine();
const { controllers, mode } = await detectCgroups();

/** @param why what is root’s about it: `other users’ processes`. */
export function needsRoot(why: string): Needs {
  return needs(isRoot ? undefined : `needs root: ${why}`);
}

/** A cgroup for each container. */
export function needsCgroups(): Needs {
  return needs(mode === 'none' ? 'this user has no cgroups' : undefined);
}

/** All of these cgroup controllers, for this user. */
export function needsControllers(...names: readonly string[]): Needs {
  const missing = names.filter((name) => !controllers.has(name));
  const whose = isRoot ? 'this machine' : 'this user';
  return needs(
    missing.length === 0 ? undefined : `${whose} has no cgroup controller ${missing.join(', ')}`,
  );
}

export function needsProgram(name: string): Needs {
  return needs(isInstalled(name) ? undefined : `${name} is not installed`);
}

/** Files that can be mounted as a container's layer. */
export function needsLoopDevices(): Needs {
  if (!isRoot) return needsRoot('loop devices');
  const missing = ['losetup', 'mke2fs'].find((program) => !isInstalled(program));
  const lack =
    missing === undefined
      ? spawnSync('losetup', ['--find']).status === 0
        ? undefined
        : 'this machine has no loop devices'
      : `${missing} is not installed`;
  return needs(lack);
}

/** With the policy of scripts/test-vm s: it is enforced, and the tests say what it allows. */
export function needsSelinux(): Needs {
  return needs(
    hasSelinux() && process.env['CAISSON_TEST_VM'] !== undefined
      ? undefined
      : 'this kernel has no SELinux with the policy of scripts/test-vm s',
  );
}

/** A firewall in a network namespace of the test, and nft(8) to look at it. */
export function needsNftables(): Needs {
  if (!isRoot) return needsRoot('network namespaces');
  const { status } = spawnSync('unshare', ['--net', 'nft', 'add table inet probe']);
  if (status === 0) return needs(undefined);
  return needs(isInstalled('nft') ? 'this kernel has no nf_tables' : 'nft is not installed');
}

function isInstalled(program: string): boolean {
  return spawnSync(program, ['--version']).error === undefined;
}

function needs(lack: string | undefined): Needs {
  return lack === undefined ? { it, describe } : skipping(lack);
}
