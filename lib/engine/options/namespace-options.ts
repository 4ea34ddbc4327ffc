/**
 * Which namespaces a container has of its own, and which it shares with the host or with another container: Docker's
 * rules (moby runconfig/hostconfig_unix.go, daemon/oci_linux.go).
 */
import { isAbsolute } from 'node:path';
import { conflicting, invalid, plainString, unsupported } from '../../base/check.js';
import type { NetworkConfig } from '../../network/types.js';
import type { IsolationOptions, RunOptions } from './options.js';
import { isIpcSysctl } from './sysctls.js';

/** Options that can name another container. */
export type JoiningOption = 'network' | 'pid' | 'ipc' | 'userns';

/** A name or an id of another container, and the namespace of it that is shared. */
export interface Join {
  readonly option: JoiningOption;
  readonly container: string;
}

export interface NamespaceConfig {
  readonly pid: 'private' | 'host' | 'container';
  /** `none`: of its own, without /dev/shm. `shareable`: of its own, and others may join it. */
  readonly ipc: 'private' | 'none' | 'shareable' | 'host' | 'container';
  readonly uts: 'private' | 'host';
  readonly cgroup: 'private' | 'host';
  /** One for each option that names a container. */
  readonly joins: readonly Join[];
}

const NO_JOINS: readonly Join[] = Object.freeze([]);

const OWN: NamespaceConfig = Object.freeze({
  pid: 'private',
  ipc: 'private',
  uts: 'private',
  cgroup: 'private',
  joins: NO_JOINS,
});

/** Without the checks of what excludes what. */
export function normalizeNamespaces(
  options: IsolationOptions & Pick<RunOptions, 'network'>,
): NamespaceConfig {
  const { pid, ipc, uts, cgroupns } = options;
  const joins = joinsOf(options);
  if (
    pid === undefined &&
    ipc === undefined &&
    uts === undefined &&
    cgroupns === undefined &&
    joins.length === 0
  )
    return OWN;
  const joined = (option: JoiningOption) => joins.some((join) => join.option === option);
  return {
    pid: joined('pid') ? 'container' : oneOf('pid', pid, ['private', 'host'], OR_CONTAINER),
    ipc: joined('ipc')
      ? 'container'
      : oneOf('ipc', ipc, ['private', 'shareable', 'none', 'host'], OR_CONTAINER),
    uts: oneOf('uts', uts, ['private', 'host']),
    cgroup: oneOf('cgroupns', cgroupns, ['private', 'host']),
    joins,
  };
}

const JOINING: readonly JoiningOption[] = ['network', 'pid', 'ipc', 'userns'];
const CONTAINER = 'container:';
const OR_CONTAINER = 'container:NAME_OR_ID';

/** The container that the value of an option names, if it is one that does. */
export function joinedContainer(option: string, value: unknown): string | undefined {
  if (typeof value !== 'string' || !value.startsWith(CONTAINER)) return undefined;
  const container = plainString(option, value.slice(CONTAINER.length));
  if (container === '') throw invalid(option, value, 'names no container', OR_CONTAINER);
  return container;
}

function joinsOf(options: Pick<RunOptions, JoiningOption>): readonly Join[] {
  let joins: Join[] | undefined;
  for (const option of JOINING) {
    const container = joinedContainer(option, options[option]);
    if (container !== undefined) (joins ??= []).push({ option, container });
  }
  return joins ?? NO_JOINS;
}

/** The options with these names of containers in place of those that they have. */
export function withJoined(
  options: RunOptions,
  containers: ReadonlyMap<JoiningOption, string>,
): RunOptions {
  if (containers.size === 0) return options;
  const joined = [...containers].map(([option, id]) => [option, `${CONTAINER}${id}`]);
  return { ...options, ...(Object.fromEntries(joined) as RunOptions) };
}

/** As with Docker, which sends an empty text for a missing option. */
function oneOf<T extends string>(
  option: string,
  value: string | undefined,
  modes: readonly [T, ...T[]],
  more?: string,
): T {
  if (value === undefined || value === '') return modes[0];
  const text = plainString(option, value);
  const found = modes.find((mode) => mode === text);
  if (found !== undefined) return found;
  const all = more === undefined ? modes : [...modes, more];
  throw unsupported(
    option,
    text,
    'is not supported',
    `${all.slice(0, -1).join(', ')} or ${all.at(-1) ?? ''}`,
  );
}

/** Another container's network, or that of a file; undefined: any other network. */
export function sharedNetwork(
  value: unknown,
): [network: NetworkConfig['network'], operand: string] | undefined {
  const container = joinedContainer('network', value);
  if (container !== undefined) return ['container', container];
  if (typeof value !== 'string' || !value.startsWith('ns:')) return undefined;
  const path = plainString('network', value.slice('ns:'.length));
  if (!isAbsolute(path)) throw invalid('network', value, 'is not ns: and an absolute path');
  return ['namespace', path];
}

/** What cannot be set in a namespace that is not the container's own. */
export function checkNamespaces(
  { ipc, uts, joins }: NamespaceConfig,
  options: RunOptions,
  sysctls: Readonly<Record<string, string>>,
): void {
  if (uts === 'host') refuse(options, ['hostname', 'domainname'], 'uts "host"');
  const network = joins.find(({ option }) => option === 'network');
  // The other container's files with names are this one's, and so are its ports.
  if (network !== undefined)
    refuse(
      options,
      ['hostname', 'domainname', 'addHost', 'dns', 'dnsSearch', 'dnsOption', 'expose'],
      'network "container:…"',
    );
  const shared = ipc === 'host' ? Object.keys(sysctls).find(isIpcSysctl) : undefined;
  if (shared !== undefined)
    throw conflicting(
      'sysctls',
      `"${shared}" needs an IPC namespace of its own, and ipc is "host"`,
    );
}

function refuse(options: RunOptions, names: readonly (keyof RunOptions)[], by: string): void {
  for (const name of names) {
    const value = options[name];
    const missing = value === undefined || value === '';
    if (missing || (Array.isArray(value) && value.length === 0)) continue;
    throw conflicting(name, `${by} excludes it`, 'what is shared has it already');
  }
}
