/** The kernel's view of a seccomp filter: classic BPF, interpreted. */

/** `struct seccomp_data`, without the instruction pointer. */
export interface SystemCall {
  readonly arch: number;
  readonly nr: number;
  readonly args: readonly bigint[];
}

export const AUDIT_ARCH = {
  x86_64: 0xc000003e,
  x86: 0x40000003,
  aarch64: 0xc00000b7,
} as const;

export const RET = {
  KILL_PROCESS: 0x80000000,
  ERRNO: 0x00050000,
  LOG: 0x7ffc0000,
  ALLOW: 0x7fff0000,
} as const;

export interface Judgement {
  readonly action: number;
  /** Whether it came to look at an argument: such calls are outside the kernel's cache of allowed calls. */
  readonly lookedAtArguments: boolean;
  readonly steps: number;
}

/** Throws on what the kernel's checker refuses: unknown instructions, and leaving the program. */
export function judge(filter: Uint8Array, call: SystemCall): Judgement {
  const code = new DataView(filter.buffer, filter.byteOffset, filter.byteLength);
  let accumulator = 0;
  let lookedAtArguments = false;
  let steps = 0;
  for (let pc = 0; ; pc++) {
    steps++;
    const at = pc * 8;
    if (at + 8 > filter.byteLength) throw new Error(`instruction ${pc} is outside of the program`);
    const [yes, no] = [code.getUint8(at + 2), code.getUint8(at + 3)];
    const k = code.getUint32(at + 4, true);
    const opcode = code.getUint16(at, true);
    switch (opcode) {
      case 0x20: // ld [k]
        accumulator = load(call, k);
        lookedAtArguments ||= k >= 16;
        break;
      case 0x54: // and #k
        accumulator = (accumulator & k) >>> 0;
        break;
      case 0x05: // ja k
        pc += k;
        break;
      case 0x15: // jeq #k
        pc += accumulator === k ? yes : no;
        break;
      case 0x25: // jgt #k
        pc += accumulator > k ? yes : no;
        break;
      case 0x35: // jge #k
        pc += accumulator >= k ? yes : no;
        break;
      case 0x06: // ret #k
        return { action: k, lookedAtArguments, steps };
      default:
        throw new Error(`instruction ${pc} is unknown: ${opcode}`);
    }
  }
}

function load(call: SystemCall, offset: number): number {
  if (offset === 0) return call.nr;
  if (offset === 4) return call.arch;
  const arg = call.args[(offset - 16) >> 3];
  if (offset % 4 !== 0 || arg === undefined) throw new Error(`nothing to load at ${offset}`);
  return Number(BigInt.asUintN(32, offset % 8 === 0 ? arg : arg >> 32n));
}
