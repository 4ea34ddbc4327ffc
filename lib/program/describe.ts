/**
 * The text of each step, in the terms of the man pages, for `explain`, error texts and the timeline.
 */
import { decodeDevice } from '../base/device-number.js';
import { CAPABILITIES } from '../oci/capability-sets.js';
import { NAMESPACE_FLAGS } from '../oci/namespaces.js';
import { RLIMITS } from '../oci/rlimits.js';
import { IN_FROZEN_TREE } from './encode.js';
import type { Opcode, Step } from './instructions.js';
import { ATTR, PROPAGATION } from './mount-options.js';
import { isOwnText } from './own-texts.js';

const NAMESPACES: readonly (readonly [number, string])[] = Object.entries(NAMESPACE_FLAGS).map(
  ([name, flag]) => [flag, name === 'network' ? 'net' : name],
);

const ATTRIBUTES: readonly (readonly [number, string])[] = [
  [ATTR.readOnly, 'ro'],
  [ATTR.noSuid, 'nosuid'],
  [ATTR.noDev, 'nodev'],
  [ATTR.noExec, 'noexec'],
  [ATTR.noAtime, 'noatime'],
  [ATTR.strictAtime, 'strictatime'],
];

function bits(value: number, names: readonly (readonly [number, string])[]): string {
  return names
    .filter(([bit]) => (value & bit) === bit)
    .map(([, name]) => name)
    .join(',');
}

class Operands {
  /** @param registers whether slots are named; in errors they are not. */
  constructor(
    private readonly step: Step,
    private readonly registers = true,
  ) {}

  text(index: number): string {
    const text = this.step.texts?.[index];
    return typeof text === 'string' ? text : '';
  }
  list(index: number): string {
    return this.text(index).split('\0').slice(0, -1).map(quote).join(' ');
  }
  bytes(index: number): number {
    const text = this.step.texts?.[index];
    return text === undefined || isOwnText(text) ? 0 : text.length;
  }
  slots16(index: number): string {
    const text = this.step.texts?.[index];
    if (!(text instanceof Uint8Array)) return '';
    const all = new Uint16Array(text.slice().buffer);
    const slots = all.filter((slot) => slot !== IN_FROZEN_TREE);
    return this.registers
      ? [...slots].map((slot) => `$${slot}`).join(' ')
      : `${slots.length} descriptors`;
  }
  /** How many lowers are names in the tree of the last slot. */
  inFrozenTree(index: number): number {
    const text = this.step.texts?.[index];
    if (!(text instanceof Uint8Array)) return 0;
    return new Uint16Array(text.slice().buffer).filter((slot) => slot === IN_FROZEN_TREE).length;
  }
  ids32(index: number): string {
    const text = this.step.texts?.[index];
    return text instanceof Uint8Array ? [...new Uint32Array(text.slice().buffer)].join(',') : '';
  }
  number(index: number): number {
    return Number(this.step.numbers?.[index] ?? 0);
  }
  mask(index: number): string {
    const mask = BigInt(this.step.numbers?.[index] ?? 0);
    if (mask === 0n) return 'none';
    const names = CAPABILITIES.filter((_, number) => ((mask >> BigInt(number)) & 1n) === 1n);
    return names.length === CAPABILITIES.length
      ? 'all'
      : names.map((name) => name.slice(4).toLowerCase()).join(',');
  }
  /** @param otherwise replaces a slot that is not named. */
  slot(index: number, otherwise = ''): string {
    const slot = this.step.slots?.[index];
    if (slot === undefined) return '';
    return this.registers ? `$${slot}` : otherwise;
  }
  /** `$1 = `: what the step fills. */
  result(): string {
    const slot = this.slot(0);
    return slot === '' ? '' : `${slot} = `;
  }
  below(index: number, path: string): string {
    const slot = this.slot(index);
    return slot === '' ? path : `${slot}:${path}`;
  }
  options(index: number): string {
    const attributes = bits(this.number(index), ATTRIBUTES);
    return attributes === '' ? '' : ` (${attributes})`;
  }
}

/** Bits of `mount.attach`'s fourth number. */
const TAKEN: readonly (readonly [number, string])[] = [
  [1, 'mode'],
  [2, 'uid'],
  [4, 'gid'],
];

function ifThere(o: Operands): string {
  return o.number(0) === 0 ? '' : ', where this kernel has it';
}

function labelled(label: string): string {
  return label === '' ? '' : `, with the SELinux label ${label}`;
}

/** Of an overlay: those of an image are directories of one tree, and there may be hundreds. */
function lowers(o: Operands): string {
  const names = o.text(3).split('\0').slice(0, -1);
  const frozen = o.inFrozenTree(0);
  const inTree = (slot: number, [first, ...others]: readonly string[]) =>
    first === undefined
      ? ''
      : `${o.below(slot, first)}${others.length === 0 ? '' : ` and ${others.length} more of that tree`}`;
  return [inTree(3, names.slice(0, frozen)), o.slots16(0), inTree(2, names.slice(frozen))]
    .filter(Boolean)
    .join(', ');
}

const octal = (mode: number) => `0${(mode & 0o7777).toString(8)}`;

const WORDS: Readonly<Record<Opcode, (o: Operands) => string>> = {
  'dir.make': (o) => `mkdir ${o.below(0, o.text(0))} ${octal(o.number(0))}`,
  'symlink.make': (o) => `symlink ${o.below(0, o.text(1))} -> ${o.text(0)}`,
  'node.make': (o) => `mknod ${o.below(0, o.text(0))} ${octal(o.number(0))} ${device(o.number(1))}`,
  'file.write': (o) => `write ${o.below(0, o.text(0))}, ${o.bytes(1)} bytes`,
  'file.open': (o) => `${o.result()}open ${o.below(1, o.text(0))}`,
  'fd.dup': (o) => `${o.result()}dup ${o.number(0)}`,
  'pipe.make': (o) =>
    `pipe: the container ${o.number(0) === 0 ? 'reads' : 'writes'} ${o.slot(0, 'one end')}, Node has ${o.slot(1, 'the other')}`,
  'cgroup.make': (o) => `mkdir ${o.text(0)}`,
  'cgroup.write': (o) =>
    `write ${JSON.stringify(o.text(1))} to ${o.text(0)}${o.number(0) === 0 ? '' : ' if missing'}`,
  'cgroup.devices': (o) =>
    `filter the devices of ${o.slot(0, 'the cgroup')} by a BPF program of ${o.bytes(0) / 8} instructions`,
  'process.open': (o) => `${o.result()}pidfd_open ${o.number(0)}, started at ${o.number(1)}`,
  clone: (o) =>
    (o.slot(1, 'the container') === ''
      ? `clone3 caisson-init with new ${bits(o.number(0), NAMESPACES)} namespaces`
      : `clone3 caisson-init in the ${bits(o.number(0), NAMESPACES)} namespaces of ${o.slot(1, 'the container')}` +
        (o.number(2) === 0 ? '' : ` with new ${bits(o.number(2), NAMESPACES)} namespaces`)) +
    (o.slot(2, 'given') === '' ? '' : ` in the network namespace ${o.slot(2, 'given')}`) +
    (o.slot(0, 'of its own') === '' ? '' : ` into cgroup ${o.slot(0, 'of its own')}`) +
    (['', ', detached', ', with an exec supervisor', ', staying outside its pid namespace'][
      o.number(1)
    ] ?? '') +
    (o.number(2) === 0 || o.slot(1, 'the container') !== '' ? '' : `, as user ${o.number(2)}`),
  'ids.map': (o) => `map ids: uid ${o.text(0).trim()}, gid ${o.text(1).trim()}`,
  'users.make': (o) =>
    `${o.result()}a user namespace for a volume: uid ${o.text(0).trim()}, gid ${o.text(1).trim()}`,
  'ns.open': (o) =>
    `${o.result()}open the ${o.text(0)} namespace of ${o.slot(1, 'the other container') || 'the container'}` +
    (o.number(0) === 0 ? '' : ', which it makes'),
  'ns.file': (o) => `${o.result()}open ${o.text(0)}, a ${bits(o.number(0), NAMESPACES)} namespace`,
  'tree.open': (o) =>
    `${o.result()}open_tree ${o.below(2, o.text(0))}${o.number(0) === 0 ? '' : ', recursively'}` +
    (o.slot(1, 'it') === '' ? '' : `, idmapped by ${o.slot(1, 'its user namespace')}`) +
    (o.number(3) === 0 ? '' : ' if its file system can be') +
    o.options(1) +
    propagation(o.number(2)),
  'fs.make': (o) =>
    `${o.result()}fsmount ${o.text(0)} ${o.text(1)}${o.options(0)}${labelled(o.text(2))}` +
    (o.number(3) === 0 ? '' : `, owned by ${o.number(1)}:${o.number(2)}`),
  'image.mount': (o) =>
    `${o.result()}attach ${o.slot(1, 'the image')} to a loop device, fsmount ${o.text(0)}${o.text(1) === '' ? '' : ` ${o.text(1)}`}${o.options(0)}` +
    (o.slot(2, 'it') === '' ? '' : `, idmapped by ${o.slot(2, 'its user namespace')}`),
  'overlay.make': (o) =>
    `${o.result()}fsmount overlay, lower ${lowers(o)}` +
    (o.slot(1, 'it') === '' ? '' : `, upper and work in ${o.slot(1, 'its own directory')}`) +
    (o.number(0) === 0 ? '' : ', layers attached by path') +
    (o.number(2) === 0 ? '' : ', showing only what all users may read') +
    (o.number(3) === 0 ? '' : ', which have room for it when they are full') +
    labelled(o.text(2)) +
    o.options(1),
  'fsids.set': (o) => `set this thread's file ids to ${o.number(0)}:${o.number(1)}`,
  'rlimit.raise': (o) =>
    `raise the hard limit ${rlimitName(o.number(0))} to ${rlimit(o.number(1))}`,
  'oom.set': (o) =>
    `write ${o.number(0)} to oom_score_adj${o.number(1) === 0 ? '' : ', if that is allowed'}`,
  'helper.start': (o) =>
    `start ${o.text(0)} beside the container: ${o.list(1)}, ready when it has ` +
    (o.number(1) === 0 ? 'ended' : 'said so'),
  'port.bind': (o) =>
    `bind ${o.text(0).replaceAll('\n', ', ')}${o.number(0) === 0 ? '' : ', and close them again'}`,
  'port.forward': (o) =>
    `listen to ${o.text(0).replaceAll('\n', ', ')}, and forward it to the container`,
  'netlink.request': (o) => `netlink: ${o.text(0).replaceAll('\n', '; ')}`,
  'resolver.register': (o) =>
    `tell the resolver of ${o.text(0)} the names of the container, ${o.bytes(1)} bytes`,
  'resolver.await': (o) => `wait for the answer of the resolver of ${o.text(0)}`,
  release: (o) =>
    `let the container go on, with ${o.slots16(0)}${o.number(0) === 0 ? '' : ', when told to'}`,
  await: () => `wait for the host's phase`,
  'ids.set': (o) => `setresuid ${o.number(0)}, setresgid ${o.number(1)}`,
  'groups.set': (o) => `setgroups [${o.ids32(0)}]`,
  'cgroup.enter': (o) => `enter cgroup ${o.slot(0, 'of its own')}`,
  'ns.join': (o) => `setns ${bits(o.number(0), NAMESPACES)} ${o.slot(0, 'of the container')}`,
  'ns.unshare': (o) => `unshare ${bits(o.number(0), NAMESPACES)}`,
  'mount.attach': (o) =>
    `attach ${o.slot(0, 'a tree')} at ${o.below(1, o.text(0))}${o.options(0)}` +
    (o.number(3) === 0
      ? ''
      : `, with the ${bits(o.number(3), TAKEN)} of the directory that is there`),
  'tree.fill': (o) => `fill ${o.slot(0, 'a tree')}, if it is empty, from ${o.below(1, o.text(0))}`,
  'mount.fs': (o) =>
    `${o.result()}mount ${o.text(0)} on ${o.below(1, o.text(2))}${o.text(1) === '' ? '' : ` -o ${o.text(1)}`}${o.options(0)}` +
    labelled(o.text(3)),
  'mount.attr': (o) => `remount ${o.below(0, o.text(0))}${o.options(0)}`,
  'mount.mask': (o) => `mask below ${o.slot(0, 'the root')}${ifThere(o)}: ${o.list(0)}`,
  'mount.readonly': (o) =>
    `make read-only below ${o.slot(0, 'the root')}${ifThere(o)}: ${o.list(0)}`,
  'tree.view': (o) =>
    `${o.result()}open_tree ${o.below(1, o.text(0))}${o.number(0) === 0 ? '' : ', recursively'}`,
  'tree.join': (o) =>
    `${o.result()}open_tree ${o.text(0)} in the mount namespace ${o.slot(1, 'of the other container')}`,
  'root.pivot': (o) => `pivot_root to ${o.slot(0, 'the new root')}, drop the old root`,
  'host.name': (o) => `sethostname ${o.text(0)}`,
  'domain.name': (o) => `setdomainname ${o.text(0)}`,
  'link.up': (o) => `set link ${o.text(0)} up`,
  'sysctl.write': (o) => `sysctl ${sysctls(o.text(0))}`,
  'rlimit.set': (o) =>
    `setrlimit ${rlimitName(o.number(0))} ${rlimit(o.number(1))}:${rlimit(o.number(2))}`,
  'tty.open': (o) =>
    `${o.result()}a terminal of ${o.number(0) >>> 16}x${o.number(0) & 0xffff} on the container's devpts`,
  'fd.own': (o) => `chown ${o.slot(0, 'a stream')} to ${o.number(0)}:${o.number(1)}`,
  'files.send': (o) =>
    `send ${o.list(0)} below ${o.slot(1, 'the root')} to ${o.slot(0, 'Node')}, up to ${o.number(0)} bytes of each`,
  'stdio.set': (o) =>
    `stdin, stdout, stderr = ${o.slot(0, 'their')} ${o.slot(1, 'own')} ${o.slot(2, 'streams')}`,
  'session.new': (o) =>
    `setsid, a new session keyring${o.number(0) === 0 ? '' : ' with a controlling terminal'}`,
  'dir.change': (o) => `chdir ${o.text(0)}`,
  'caps.bound': (o) => `drop from the bounding set all but ${o.mask(0)}`,
  'caps.set': (o) => `capset effective ${o.mask(0)}; permitted ${o.mask(1)}`,
  'label.set': (o) =>
    o.number(0) === 0
      ? `from exec on, be confined by the AppArmor profile ${o.text(0)}`
      : `from exec on, have the SELinux label ${o.text(0)}; so do new keyrings`,
  'nnp.set': () => 'set no_new_privs',
  'seccomp.load': (o) => `load a seccomp filter of ${o.bytes(0) / 8} instructions`,
  init: () => 'fork: pid 1 gives up its rights and stays to reap and to forward signals',
  exec: (o) => `execve ${o.list(0)}`,
  'cgroup.remove': (o) => `rmdir ${o.text(0)}${o.number(0) === 0 ? '' : ' if unused'}`,
  'process.end': (o) =>
    `kill process ${o.number(0)}, if it is the one that began at ${o.number(1)}`,
  'netlink.save': (o) => `save ${o.text(0)}`,
  'claim.release': (o) => `remove ${o.text(0)}`,
  'volume.remove': (o) => `remove ${o.text(0)}, unless another container has it`,
  'layers.release': (o) => `remove ${o.list(2)} of ${o.text(0)}, unless another container has them`,
  'tree.remove': (o) => `remove ${o.text(0)} and all below`,
};

export function describe(step: Step): string {
  return WORDS[step.op](new Operands(step));
}

/** For an error: without the registers of the program. */
export function describeForError(step: Step): string {
  return WORDS[step.op](new Operands(step, false));
}

function quote(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", `'\\''`)}'`;
}

/** Keys with slashes, and their values. */
function sysctls(list: string): string {
  const words = list.split('\0');
  const settings: string[] = [];
  for (let i = 0; i + 1 < words.length; i += 2)
    settings.push(`${words[i]?.replaceAll('/', '.')} = ${words[i + 1]}`);
  return settings.join(', ');
}

function device(number: number): string {
  const { major, minor } = decodeDevice(number);
  return `${major}:${minor}`;
}

function propagation(flags: number): string {
  const name = Object.entries(PROPAGATION).find(([, bit]) => bit === flags)?.[0];
  return name === undefined || name === 'private' ? '' : `, ${name}`;
}

function rlimitName(number: number): string {
  return Object.entries(RLIMITS).find(([, n]) => n === number)?.[0] ?? String(number);
}

function rlimit(value: number): string {
  return value >= 2 ** 53 ? 'unlimited' : String(value);
}
