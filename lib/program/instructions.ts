/**
 * The instruction set: every step that a launch program can have, in the terms of the man pages. The list and its
 * numbers come from cpp/program/instructions.def.
 */
import type { OwnText, Text } from './own-texts.js';

/** One step, with its operands by position: see docs/launch-program.md for what each means. */
export interface Step {
  readonly op: Opcode;
  readonly slots?: readonly (number | undefined)[] | undefined;
  readonly texts?: readonly (Text | OwnText | undefined)[] | undefined;
  readonly numbers?: readonly (number | bigint | undefined)[] | undefined;
}

export interface Program {
  /** Registers for descriptors that the program uses. */
  readonly slots: number;
  readonly host: readonly Step[];
  readonly container: readonly Step[];
  readonly teardown: readonly Step[];
}

export type Phase = 'host' | 'container' | 'teardown';
export const PHASES: readonly Phase[] = ['host', 'container', 'teardown'];

/** In the order of their numbers; `none` is 0. Written by scripts/list-opcodes.mjs. */
export const OPCODES = [
  'none',
  'dir.make',
  'symlink.make',
  'node.make',
  'file.write',
  'file.open',
  'fd.dup',
  'pipe.make',
  'cgroup.make',
  'cgroup.write',
  'cgroup.devices',
  'process.open',
  'clone',
  'ids.map',
  'users.make',
  'ns.open',
  'ns.file',
  'tree.open',
  'fs.make',
  'image.mount',
  'overlay.make',
  'fsids.set',
  'oom.set',
  'rlimit.raise',
  'helper.start',
  'port.bind',
  'port.forward',
  'netlink.request',
  'resolver.register',
  'resolver.await',
  'release',
  'await',
  'ids.set',
  'groups.set',
  'cgroup.enter',
  'ns.join',
  'ns.unshare',
  'mount.attach',
  'mount.fs',
  'mount.attr',
  'mount.mask',
  'mount.readonly',
  'tree.view',
  'tree.join',
  'tree.fill',
  'root.pivot',
  'host.name',
  'domain.name',
  'link.up',
  'sysctl.write',
  'rlimit.set',
  'tty.open',
  'fd.own',
  'files.send',
  'stdio.set',
  'session.new',
  'dir.change',
  'caps.bound',
  'caps.set',
  'label.set',
  'nnp.set',
  'seccomp.load',
  'init',
  'exec',
  'cgroup.remove',
  'netlink.save',
  'process.end',
  'claim.release',
  'volume.remove',
  'layers.release',
  'tree.remove',
] as const;

export type Opcode = Exclude<(typeof OPCODES)[number], 'none'>;

export const OPCODE_NUMBERS: Readonly<Record<Opcode, number>> = Object.fromEntries(
  OPCODES.map((name, number) => [name, number]),
) as Record<Opcode, number>;
