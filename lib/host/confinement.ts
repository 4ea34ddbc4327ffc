/** What confines this process: its capabilities and filters, and the container that it is in. */
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { CAPABILITIES } from '../oci/capability-sets.js';

export interface Confinement {
  readonly uid: number;
  /** Effective capabilities, a bit each: capabilities(7). */
  readonly capabilities: bigint;
  /** A seccomp filter sees every call of this process. */
  readonly filtered: boolean;
  /** No program that it executes gains privileges, set-user-ID programs included: prctl(2), PR_SET_NO_NEW_PRIVS. */
  readonly bound: boolean;
  /** The AppArmor profile or SELinux context that confines it. */
  readonly profile?: string | undefined;
  /** The container that it runs in, as far as that can be detected. */
  readonly inside?: 'podman' | 'Docker' | 'caisson' | 'a container' | undefined;
  /** Its user namespace is not the machine's. */
  readonly ownUserNamespace: boolean;
}

/** Not cached: it is needed only when something has failed, and reads a few small files. */
export function readConfinement(): Confinement {
  const status = textOf('/proc/self/status');
  const mounts = textOf('/proc/self/mountinfo');
  const ownUserNamespace = inUserNamespace();
  const profile = textOf('/proc/self/attr/current').replace(/\0/g, '').trim();
  return {
    uid: process.geteuid?.() ?? -1,
    capabilities: BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`),
    filtered: /^Seccomp:\s*2$/m.test(status),
    bound: /^NoNewPrivs:\s*1$/m.test(status),
    profile: /^(?:|unconfined.*|kernel|.*:unconfined_t:.*)$/.test(profile) ? undefined : profile,
    inside: outerContainer(mounts, ownUserNamespace),
    ownUserNamespace,
  };
}

let inOne: boolean | undefined;

/**
 * Whether this process is in another user namespace than the machine's first, which maps every id to itself:
 * user_namespaces(7). A kernel without user namespaces has no such file. A process with several threads, as Node is,
 * cannot change its user namespace.
 */
export function inUserNamespace(): boolean {
  return (inOne ??= !/^(?:|\s*0\s+0\s+4294967295\s*)$/.test(textOf('/proc/self/uid_map')));
}

/**
 * Root of the machine. The root of a user namespace has rights only over what belongs to it: it can neither create devices
 * nor map the owners of a layer. caisson treats it as an unprivileged user.
 */
export function isMachineRoot({
  uid,
  ownUserNamespace,
}: Pick<Confinement, 'uid' | 'ownUserNamespace'>): boolean {
  return uid === 0 && !ownUserNamespace;
}

export function hasCapability({ capabilities }: Confinement, name: string): boolean {
  return ((capabilities >> BigInt(CAPABILITIES.indexOf(name))) & 1n) === 1n;
}

/** Files that say so are copied along with an image: they are believed only where there are namespaces, too. */
function outerContainer(mounts: string, ownUserNamespace: boolean): Confinement['inside'] {
  if (!ownUserNamespace && !ownProcesses()) return undefined;
  if (existsSync('/run/.containerenv')) return 'podman';
  if (existsSync('/.dockerenv')) return 'Docker';
  // The name that caisson gives to the root's overlay when it mounts it.
  if (mounts.includes(' - overlay caisson ')) return 'caisson';
  return 'a container';
}

/** The machine's first pid namespace has a fixed number: include/linux/proc_ns.h. */
function ownProcesses(): boolean {
  try {
    return readlinkSync('/proc/self/ns/pid') !== 'pid:[4026531836]';
  } catch {
    return false;
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
