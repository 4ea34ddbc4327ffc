/**
 * Which namespaces a container has of its own, and which it shares with the host or with another container: Docker's
 * rules (moby runconfig/hostconfig_unix.go, daemon/oci_linux.go).
 */
import { conflicting, plainString, unsupported } from '../../base/check.js';
import type { IsolationOptions, RunOptions } from './options.js';
import { isIpcSysctl } from './sysctls.js';

export interface NamespaceConfig {
  readonly pid: 'private' | 'host';
  /** `none`: of its own, without /dev/shm. `shareable`: of its own, and others may join it. */
  readonly ipc: 'private' | 'none' | 'shareable' | 'host';
  readonly uts: 'private' | 'host';
  readonly cgroup: 'private' | 'host';
}

const OWN: NamespaceConfig = Object.freeze({
  pid: 'private',
  ipc: 'private',
  uts: 'private',
  cgroup: 'private',
});

/** Without the checks of what excludes what. */
export function normalizeNamespaces(options: IsolationOptions): NamespaceConfig {
  const { pid, ipc, uts, cgroupns } = options;
  if (pid === undefined && ipc === undefined && uts === undefined && cgroupns === undefined)
    return OWN;
  return {
    pid: oneOf('pid', pid, ['private', 'host']),
    ipc: oneOf('ipc', ipc, ['private', 'none', 'shareable', 'host']),
    uts: oneOf('uts', uts, ['private', 'host']),
    cgroup: oneOf('cgroupns', cgroupns, ['private', 'host']),
  };
}

/** As with Docker, which sends an empty text for a missing option. */
function oneOf<T extends string>(
  option: string,
  value: string | undefined,
  modes: readonly [T, ...T[]],
): T {
  if (value === undefined || value === '') return modes[0];
  const text = plainString(option, value);
  const found = modes.find((mode) => mode === text);
  if (found !== undefined) return found;
  throw unsupported(option, text, 'is not supported', listOf(modes));
}

function listOf(modes: readonly string[]): string {
  return `${modes.slice(0, -1).join(', ')} or ${modes.at(-1) ?? ''}`;
}

/** What cannot be set in a namespace that is not the container's own. */
export function checkNamespaces(
  { ipc, uts }: NamespaceConfig,
  options: RunOptions,
  sysctls: Readonly<Record<string, string>>,
): void {
  if (uts === 'host') {
    for (const option of ['hostname', 'domainname'] as const)
      if (options[option] !== undefined && options[option] !== '')
        throw conflicting(option, 'uts "host" excludes it', 'the name is that of the machine');
  }
  const shared = ipc === 'host' ? Object.keys(sysctls).find(isIpcSysctl) : undefined;
  if (shared !== undefined)
    throw conflicting(
      'sysctls',
      `"${shared}" needs an IPC namespace of its own, and ipc is "host"`,
    );
}
