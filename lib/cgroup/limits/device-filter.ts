/**
 * Device rules as a BPF program for cgroup v2, which has no file for them: `BPF_PROG_TYPE_CGROUP_DEVICE` is asked
 * on each mknod and each open of a device (cgroup-v2.rst, "Device controller"). Its instructions are made here,
 * and loaded and attached by the step `cgroup.devices`.
 *
 * The last rule that speaks of a device and a right decides; a right of which no rule speaks is granted. So one
 * reads the rules from the last to the first, taking away what is granted until nothing is left to ask for.
 */
import type { LinuxDeviceCgroup } from '../../oci/runtime-spec.js';
import { rightsOf } from './device-rules.js';

/** linux/bpf.h: BPF_DEVCG_DEV_*, BPF_DEVCG_ACC_*. */
const TYPES = { b: 1, c: 2 } as const;
const RIGHTS = { m: 1, r: 2, w: 4 } as const;
const ALL_RIGHTS = 7;

/** linux/bpf_common.h and linux/bpf.h: the few operations that are needed, all on 32 bits. */
const LOAD = 0x61;
const AND = 0x54;
const SHIFT_RIGHT = 0x74;
const MOVE = 0xb4;
const MOVE_REGISTER = 0xbc;
const JUMP = 0x05;
const JUMP_IF_NOT = 0x56;
const JUMP_IF_ANY_BIT = 0x46;
const EXIT = 0x95;

/** Registers. The context is `struct bpf_cgroup_dev_ctx`: access << 16 | type, major, minor. */
const ANSWER = 0;
const CONTEXT = 1;
const TYPE = 2;
const ASKED = 3;
const MAJOR = 4;
const MINOR = 5;

type Instruction = readonly [
  operation: number,
  target: number,
  source: number,
  offset: number,
  immediate: number,
];

const answer = (value: 0 | 1): Instruction[] => [
  [MOVE, ANSWER, 0, 0, value],
  [EXIT, 0, 0, 0, 0],
];

/** The program, `struct bpf_insn` after `struct bpf_insn`; undefined where it would grant everything. */
export function compileDeviceRules(rules: readonly LinuxDeviceCgroup[]): Uint8Array | undefined {
  const program: Instruction[] = [
    [LOAD, TYPE, CONTEXT, 0, 0],
    [MOVE_REGISTER, ASKED, TYPE, 0, 0],
    [AND, TYPE, 0, 0, 0xffff],
    [SHIFT_RIGHT, ASKED, 0, 0, 16],
    [LOAD, MAJOR, CONTEXT, 4, 0],
    [LOAD, MINOR, CONTEXT, 8, 0],
  ];
  const length = program.length;
  let ended = false;
  for (const rule of rules.toReversed()) {
    const verdict = verdictOf(rule);
    const tests = testsOf(rule);
    tests.forEach(([register, value], index) => {
      const offset = tests.length - index - 1 + verdict.length;
      program.push([JUMP_IF_NOT, register, 0, offset, value]);
    });
    program.push(...verdict);
    // The verifier refuses what can never be reached.
    ended = tests.length === 0 && rightsIn(rule) === ALL_RIGHTS;
    if (ended) {
      if (rule.allow && program.length === length + verdict.length) return undefined;
      break;
    }
  }
  if (!ended) {
    if (program.length === length) return undefined;
    program.push(...answer(1));
  }
  return encode(program);
}

/** What has to be so for the rule to speak of a device. */
function testsOf({ type = 'a', major, minor }: LinuxDeviceCgroup): [number, number][] {
  const tests: [number, number][] = [];
  if (type === 'b' || type === 'c') tests.push([TYPE, TYPES[type]]);
  if (major !== undefined && major >= 0) tests.push([MAJOR, major]);
  if (minor !== undefined && minor >= 0) tests.push([MINOR, minor]);
  return tests;
}

function verdictOf(rule: LinuxDeviceCgroup): Instruction[] {
  const rights = rightsIn(rule);
  if (rights === ALL_RIGHTS) return answer(rule.allow ? 1 : 0);
  if (rule.allow) {
    return [[AND, ASKED, 0, 0, ALL_RIGHTS & ~rights], [JUMP_IF_NOT, ASKED, 0, 2, 0], ...answer(1)];
  }
  return [[JUMP_IF_ANY_BIT, ASKED, 0, 1, rights], [JUMP, 0, 0, 2, 0], ...answer(0)];
}

function rightsIn(rule: LinuxDeviceCgroup): number {
  let rights = 0;
  for (const letter of rightsOf(rule)) rights |= RIGHTS[letter as keyof typeof RIGHTS];
  return rights;
}

function encode(program: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(program.length * 8);
  const view = new DataView(bytes.buffer);
  program.forEach(([operation, target, source, offset, immediate], index) => {
    const at = index * 8;
    view.setUint8(at, operation);
    view.setUint8(at + 1, target | (source << 4));
    view.setInt16(at + 2, offset, true);
    view.setUint32(at + 4, immediate, true);
  });
  return bytes;
}
