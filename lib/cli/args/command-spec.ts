/**
 * The shape of a flag and of a command's specification, and the flags of caisson itself. Those of commands are in
 * flags/.
 */
import type { RunOptions } from '../../engine/options/options.js';
import type { ValueCheck } from './flag-values.js';

export interface Flag {
  readonly long: string;
  readonly short?: string;
  /** Other spellings, which Docker accepts but does not show. */
  readonly aliases?: readonly string[];
  /** The placeholder for the value in the help. Missing: a switch. */
  readonly value?: string;
  readonly repeatable?: boolean;
  /** If the command line checks the value itself (flag-values.ts). */
  readonly check?: ValueCheck;
  readonly help: string;
  /** The library's option for the value, which error texts of the library name. */
  readonly option?: keyof RunOptions;
  /** For shells: the possible values, or the kind of thing that the value names. */
  readonly completes?: readonly string[] | 'file' | 'directory' | 'container' | 'network';
}

/** A flag of Docker that caisson does not have. The error names it. */
export interface UnsupportedFlag {
  readonly long: string;
  readonly short?: string;
  /** It takes a value. */
  readonly value: boolean;
}

/** What an argument can be: containers in some state, a network, an image (also `host`, or only one of the store), or one of several words. */
export type ArgumentKind =
  | 'all'
  | 'running'
  | 'paused'
  | 'stopped'
  | 'network'
  | 'volume'
  | 'image'
  | 'stored-image'
  | readonly string[];

export interface CommandSpec {
  /** As it is typed after `caisson`. */
  readonly name: string;
  /** What follows the name, as help shows it. */
  readonly usage: string;
  readonly description: string;
  readonly examples: readonly (readonly [command: string, what: string])[];
  /** For shells: the kind of every argument, or of the first if the others belong to another program. Missing: none. */
  readonly argument?: ArgumentKind;
  readonly flags: readonly Flag[];
  readonly unsupported?: readonly UnsupportedFlag[];
  /** Flags end at the first argument: the rest is another program's command line. */
  readonly endsAtArgument?: boolean;
  /** The number of arguments. */
  readonly args: readonly [min: number, max: number];
}

export const HELP_FLAG: Flag = { long: 'help', help: 'Print this help' };

export const GLOBAL_FLAGS: readonly Flag[] = [
  {
    long: 'data-root',
    value: 'dir',
    completes: 'directory',
    help: 'Directory of containers and images',
  },
  {
    long: 'run-root',
    value: 'dir',
    completes: 'directory',
    help: 'Directory of the state of running containers',
  },
  {
    long: 'cgroup-manager',
    value: 'manager',
    completes: ['systemd', 'cgroupfs'],
    help: 'Cgroup driver for new containers (default systemd where it manages cgroups)',
  },
  { long: 'help', short: 'h', help: 'Print this help' },
  { long: 'version', short: 'v', help: 'Print the version' },
];
