import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { expect } from 'chai';
import fc from 'fast-check';

import { loadNative } from '../../lib/native/load.js';
import type { LinuxSeccomp, LinuxSeccompArg, LinuxSyscall } from '../../lib/oci/runtime-spec.js';
import { defaultSeccompProfile } from '../../lib/oci/seccomp-default.js';
import { encodeProfile } from '../../lib/oci/seccomp-encode.js';
import { compileProfile, type SeccompCompiler } from '../../lib/oci/seccomp.js';
import { AUDIT_ARCH, RET, judge } from '../support/cbpf.js';
import { DOCKER_CAPABILITIES } from '../support/docker-capabilities.js';
import { compilerNeeded, SeccompReference } from '../support/seccomp-reference.js';
import { rejectionOf } from '../support/rejection.js';

const EPERM = RET.ERRNO + 1;
const EACCES = RET.ERRNO + 13;
const ENOSYS = RET.ERRNO + 38;

const ADMIN = new Set([...DOCKER_CAPABILITIES, 'CAP_SYS_ADMIN']);
const NONE = new Set<string>();

/** Numbers on x86-64. */
const NR = {
  read: 0,
  write: 1,
  open: 2,
  close: 3,
  lseek: 8,
  socket: 41,
  socketpair: 53,
  clone: 56,
  personality: 135,
  mount: 165,
  add_key: 248,
  clone3: 435,
} as const;

const onX64 = process.arch === 'x64';

const native: SeccompCompiler = loadNative();

async function compile(profile: LinuxSeccomp): Promise<Uint8Array> {
  const { architectures, names, words } = encodeProfile(profile);
  return (await native.compileSeccomp(architectures, names, words)).filter;
}

function ask(
  filter: Uint8Array,
  nr: number,
  args: readonly (number | bigint)[] = [],
  arch: number = AUDIT_ARCH.x86_64,
): number {
  const all = [0, 1, 2, 3, 4, 5].map((i) => BigInt(args[i] ?? 0));
  return judge(filter, { arch, nr: nr >>> 0, args: all }).action;
}

describe('seccomp: the default profile as a filter', () => {
  it("A8: the profile differs from Docker's only where a reason is written down", () => {
    const script = fileURLToPath(new URL('../../../scripts/compare-seccomp.mjs', import.meta.url));
    const { status, stderr } = spawnSync(process.execPath, [script], { encoding: 'utf8' });
    expect(stderr).to.equal('');
    expect(status).to.equal(0);
  });

  if (!onX64) return;

  describe('the compiled default profile', () => {
    let ordinary: Uint8Array;
    let admin: Uint8Array;

    before(async () => {
      ordinary = await compile(defaultSeccompProfile(DOCKER_CAPABILITIES, 'x64'));
      admin = await compile(defaultSeccompProfile(ADMIN, 'x64'));
    });

    it('The filter lets ordinary calls through without looking at their arguments', () => {
      for (const nr of [NR.read, NR.write, NR.open, 59 /* execve */, 452 /* fchmodat2 */]) {
        const call = { arch: AUDIT_ARCH.x86_64, nr, args: [0n, 0n, 0n, 0n, 0n, 0n] };
        const { action, lookedAtArguments } = judge(ordinary, call);
        expect([action, lookedAtArguments]).to.deep.equal([RET.ALLOW, false]);
      }
    });

    it('The filter gates what a capability is about', () => {
      expect(ask(ordinary, NR.mount)).to.equal(EPERM);
      expect(ask(admin, NR.mount)).to.equal(RET.ALLOW);
      expect(ask(ordinary, 161 /* chroot */)).to.equal(RET.ALLOW);
      expect(ask(admin, NR.add_key)).to.equal(EPERM);
      expect(ask(admin, 425 /* io_uring_setup */)).to.equal(EPERM);
      expect(ask(ordinary, 101 /* ptrace */)).to.equal(RET.ALLOW);
    });

    it('The filter refuses new namespaces through clone, and has libraries fall back from clone3', () => {
      expect(ask(ordinary, NR.clone, [0x11])).to.equal(RET.ALLOW);
      expect(ask(ordinary, NR.clone, [0x3d0f00])).to.equal(RET.ALLOW);
      for (const flag of [0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000]) {
        expect(ask(ordinary, NR.clone, [flag | 0x11])).to.equal(EPERM);
      }
      expect(ask(ordinary, NR.clone, [0x40000011])).to.equal(EPERM);
      expect(ask(ordinary, NR.clone3)).to.equal(ENOSYS);
      expect(ask(admin, NR.clone3)).to.equal(RET.ALLOW);
      expect(ask(admin, NR.clone, [0x10000011])).to.equal(RET.ALLOW);
    });

    it('The filter is not fooled by upper halves that the kernel drops', () => {
      const upper = 1n << 32n;
      expect(ask(ordinary, NR.socket, [1])).to.equal(RET.ALLOW);
      expect(ask(ordinary, NR.socket, [10])).to.equal(RET.ALLOW);
      expect(ask(ordinary, NR.socket, [upper + 10n])).to.equal(RET.ALLOW);
      expect(ask(ordinary, NR.socketpair, [1])).to.equal(RET.ALLOW);
      for (const family of [38 /* AF_ALG */, 40 /* AF_VSOCK */]) {
        for (const call of [NR.socket, NR.socketpair]) {
          expect(ask(ordinary, call, [family])).to.equal(EPERM);
          expect(ask(ordinary, call, [upper + BigInt(family)])).to.equal(EPERM);
        }
      }
      expect(ask(ordinary, NR.personality, [0xffffffff])).to.equal(RET.ALLOW);
      expect(ask(ordinary, NR.personality, [(1n << 64n) - 1n])).to.equal(RET.ALLOW);
      expect(ask(ordinary, NR.personality, [0x40000])).to.equal(EPERM);
      expect(ask(ordinary, NR.personality, [upper + 0x40000n])).to.equal(EPERM);
      expect(ask(ordinary, NR.clone, [upper + 0x10000011n])).to.equal(EPERM);
    });

    it('The filter answers ENOSYS to what is newer than itself, and to x32', () => {
      for (const nr of [471, 1000, 0x3fffffff, 0x40000000, 0x40000001, 0x40000208, 0xffffffff]) {
        expect(ask(ordinary, nr), String(nr)).to.equal(ENOSYS);
      }
    });

    it('The filter ends a process that calls the kernel in 32-bit mode', () => {
      for (const nr of [0, 1, 11, 500]) {
        expect(ask(ordinary, nr, [], AUDIT_ARCH.x86)).to.equal(RET.KILL_PROCESS);
      }
    });

    it('The filter is short, and decides within a dozen steps', () => {
      expect(ordinary.length / 8).to.be.below(130);
      for (let nr = 0; nr < 480; nr++) {
        const call = { arch: AUDIT_ARCH.x86_64, nr, args: [0n, 0n, 0n, 0n, 0n, 0n] };
        const { lookedAtArguments, steps } = judge(ordinary, call);
        if (!lookedAtArguments) expect(steps).to.be.at.most(12);
      }
    });
  });
});

compilerNeeded.describe('seccomp: what a profile means', function () {
  if (!onX64) return;
  let reference: SeccompReference;

  before(() => {
    reference = new SeccompReference();
  });
  after(() => {
    reference.close();
  });

  /** With a default of its own, so that no rule repeats it and nothing is special about new calls. */
  const plain = (profile: LinuxSeccomp, architectures: readonly string[]): LinuxSeccomp => ({
    ...profile,
    architectures,
    defaultErrnoRet: 13,
  });

  /** What can tell one filter from another: each compared value, its neighbours, and other halves. */
  function probes(profile: LinuxSeccomp): bigint[] {
    const values = new Set<bigint>([0n, 1n, 0xffffffffn, (1n << 64n) - 1n]);
    for (const arg of (profile.syscalls ?? []).flatMap((rule) => rule.args ?? [])) {
      for (const value of [arg.value, arg.valueTwo ?? 0].map(BigInt)) {
        for (const near of [value - 1n, value, value + 1n, value ^ (1n << 32n), ~value]) {
          values.add(BigInt.asUintN(64, near));
        }
      }
    }
    return [...values];
  }

  async function expectSame(profile: LinuxSeccomp, sections: readonly [number, number][]) {
    const theirs = reference.compile(encodeProfile(profile));
    const unknown = new Set(theirs.unknown);
    const syscalls = (profile.syscalls ?? []).map((rule) => ({
      ...rule,
      names: rule.names.filter((name) => !unknown.has(name)),
    }));
    const ours = await compile({ ...profile, syscalls });
    for (const [arch, first] of sections) {
      // i386 has registers of 32 bits; libseccomp counts on it.
      const bits = arch === AUDIT_ARCH.x86 ? 32 : 64;
      const values = probes(profile).map((value) => BigInt.asUintN(bits, value));
      for (let nr = first; nr < first + 1100; nr++) {
        for (const [i, value] of values.entries()) {
          // The argument in question, among others that differ from it.
          const other = values[(i + 1) % values.length]!;
          for (const args of [
            [value, value, value],
            [value, other, 0n],
            [other, value, value],
          ]) {
            const [mine, their] = [ask(ours, nr, args, arch), ask(theirs.filter, nr, args, arch)];
            if (mine !== their) {
              expect.fail(`call ${nr} of ${arch} with ${args.join()}: ${mine}, not ${their}`);
            }
            // One look is enough where arguments play no part.
            if (args[0] !== value) break;
          }
        }
      }
    }
  }

  for (const [title, capabilities] of [
    ['no capabilities', NONE],
    ["Docker's capabilities", DOCKER_CAPABILITIES],
    ['CAP_SYS_ADMIN', ADMIN],
  ] as const) {
    it(`The filter is what libseccomp makes of the default profile with ${title}`, async () => {
      const profile = plain(defaultSeccompProfile(capabilities, 'x64'), []);
      await expectSame(profile, [[AUDIT_ARCH.x86_64, 0]]);
    });
  }

  it('The filter is what libseccomp makes of a profile for i386 and x32 beside x86-64', async () => {
    const all = ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'];
    const profile = plain(defaultSeccompProfile(ADMIN, 'x64'), all);
    // Without conditions that i386 can get around: see the next test.
    const syscalls = profile.syscalls?.filter((rule) => !rule.names.includes('socket'));
    await expectSame({ ...profile, syscalls }, [
      [AUDIT_ARCH.x86_64, 0],
      [AUDIT_ARCH.x86_64, 0x40000000],
      [AUDIT_ARCH.x86, 0],
    ]);
  });

  it('The filter leaves no way around a condition through socketcall', async () => {
    // libseccomp 2.5 drops the condition there, and allows every family.
    const profile = defaultSeccompProfile(ADMIN, 'x64');
    const filter = await compile(plain(profile, ['SCMP_ARCH_X86']));
    const [socketcall, socket] = [102, 359];
    expect(ask(filter, socketcall, [1 /* socket */], AUDIT_ARCH.x86)).to.equal(EACCES);
    expect(ask(filter, socketcall, [2 /* bind */], AUDIT_ARCH.x86)).to.equal(RET.ALLOW);
    expect(ask(filter, socket, [1], AUDIT_ARCH.x86)).to.equal(RET.ALLOW);
    expect(ask(filter, socket, [40], AUDIT_ARCH.x86)).to.equal(EACCES);
  });

  const argument = fc.record({
    index: fc.nat(2),
    op: fc.constantFrom<LinuxSeccompArg['op'][]>(
      'SCMP_CMP_NE',
      'SCMP_CMP_LT',
      'SCMP_CMP_LE',
      'SCMP_CMP_EQ',
      'SCMP_CMP_GE',
      'SCMP_CMP_GT',
      'SCMP_CMP_MASKED_EQ',
    ),
    value: fc.oneof(fc.nat(9), fc.constantFrom(0xffffffff, 2 ** 32, 2 ** 32 + 5, 2 ** 53 - 1)),
    valueTwo: fc.oneof(fc.nat(9), fc.constantFrom(2 ** 32, 2 ** 53 - 1)),
  });
  const rules = (actions: readonly LinuxSyscall['action'][]) =>
    fc.array(
      fc.record({
        names: fc.subarray(['read', 'write', 'open', 'close', 'lseek'], { minLength: 1 }),
        action: fc.constantFrom(...actions),
        args: fc.array(argument, { maxLength: 3 }),
      }),
      { maxLength: 12 },
    );

  it('The filter is what libseccomp makes of a profile with any conditions', async () => {
    // One rule a call: where several order one argument, libseccomp 2.5 merges them into something else
    // ("at most 2^32" or "below 0" refuses 0).
    const conditions = fc.uniqueArray(argument, { maxLength: 3, selector: ({ index }) => index });
    const profiles = fc.tuple(conditions, conditions, conditions, conditions);
    await fc.assert(
      fc.asyncProperty(profiles, async (lists) => {
        const syscalls = (['read', 'write', 'open', 'lseek'] as const).map((name, i) => ({
          names: [name],
          action: 'SCMP_ACT_ALLOW' as const,
          args: lists[i]!,
        }));
        const profile: LinuxSeccomp = { defaultAction: 'SCMP_ACT_KILL_PROCESS', syscalls };
        const { filter } = reference.compile(encodeProfile(profile));
        const ours = await compile(profile);
        for (const nr of Object.values(NR)) {
          for (const value of probes(profile)) {
            for (const args of [[value, value, value], [value], [0n, value], [0n, 1n, value]]) {
              expect(ask(ours, nr, args)).to.equal(ask(filter, nr, args));
            }
          }
        }
      }),
      { numRuns: 100 },
    );
  });

  it('The filter is the first rule without conditions, else the first whose conditions hold', async () => {
    const holds = ({ index, op, value, valueTwo }: LinuxSeccompArg, args: readonly bigint[]) => {
      const [have, want] = [args[index] ?? 0n, BigInt(value)];
      switch (op) {
        case 'SCMP_CMP_NE':
          return have !== want;
        case 'SCMP_CMP_LT':
          return have < want;
        case 'SCMP_CMP_LE':
          return have <= want;
        case 'SCMP_CMP_EQ':
          return have === want;
        case 'SCMP_CMP_GE':
          return have >= want;
        case 'SCMP_CMP_GT':
          return have > want;
        case 'SCMP_CMP_MASKED_EQ':
          return (have & want) === (BigInt(valueTwo ?? 0) & want);
      }
    };
    /** An argument tested twice makes alternatives of the conditions. */
    const satisfied = (args: readonly LinuxSeccompArg[], values: readonly bigint[]) =>
      new Set(args.map((arg) => arg.index)).size < args.length
        ? args.some((arg) => holds(arg, values))
        : args.every((arg) => holds(arg, values));
    const actions = { SCMP_ACT_ALLOW: RET.ALLOW, SCMP_ACT_LOG: RET.LOG, SCMP_ACT_ERRNO: EPERM };

    await fc.assert(
      fc.asyncProperty(
        rules(Object.keys(actions) as (keyof typeof actions)[]),
        async (syscalls) => {
          const profile: LinuxSeccomp = { defaultAction: 'SCMP_ACT_KILL_PROCESS', syscalls };
          const filter = await compile(profile);
          for (const name of ['read', 'write', 'lseek'] as const) {
            const own = syscalls.filter((rule) => rule.names.includes(name));
            for (const value of probes(profile)) {
              for (const args of [[value, value, value], [value], [0n, value]]) {
                const rule =
                  own.find((candidate) => candidate.args.length === 0) ??
                  own.find((candidate) => satisfied(candidate.args, args));
                const expected = rule ? actions[rule.action as 'SCMP_ACT_LOG'] : RET.KILL_PROCESS;
                expect(ask(filter, NR[name], args)).to.equal(expected);
              }
            }
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  it('The jumps of a filter reach over long programs', async () => {
    // More than 255 instructions between a decision and its end.
    const syscalls: LinuxSyscall[] = [];
    for (let i = 0; i < 300; i++) {
      const args: LinuxSeccompArg[] = [
        { index: 0, value: i * 2 ** 33 + i, op: 'SCMP_CMP_EQ' },
        { index: 1, value: i, op: 'SCMP_CMP_GE' },
      ];
      syscalls.push({ names: [i % 2 ? 'read' : 'mount'], action: 'SCMP_ACT_ALLOW', args });
    }
    const filter = await compile({
      defaultAction: 'SCMP_ACT_ERRNO',
      defaultErrnoRet: 13,
      syscalls,
    });
    for (const i of [0, 1, 2, 149, 298, 299]) {
      const [right, wrong] = i % 2 ? [NR.read, NR.mount] : [NR.mount, NR.read];
      expect(ask(filter, right, [i * 2 ** 33 + i, i])).to.equal(RET.ALLOW);
      expect(ask(filter, right, [i * 2 ** 33 + i, i + 1])).to.equal(RET.ALLOW);
      expect(ask(filter, wrong, [i * 2 ** 33 + i, i])).to.equal(EACCES);
      expect(ask(filter, right, [i * 2 ** 33 + i + 1, i])).to.equal(EACCES);
    }
    expect(ask(filter, NR.write)).to.equal(EACCES);
  });
});

describe('seccomp: the compiler', () => {
  it('The compiler skips names that no system call has, and reports them', async () => {
    const { architectures, names, words } = encodeProfile({
      defaultAction: 'SCMP_ACT_ERRNO',
      syscalls: [{ names: ['read', 'no_such_call', 'stat64'], action: 'SCMP_ACT_ALLOW' }],
    });
    const { filter, unknown } = await native.compileSeccomp(architectures, names, words);
    expect(unknown).to.deep.equal(['no_such_call']);
    expect(filter.length % 8).to.equal(0);
  });

  it('The compiler keeps the default for everything where no rule names a call', async () => {
    const filter = await compile({ defaultAction: 'SCMP_ACT_ALLOW' });
    if (onX64) expect(ask(filter, 999)).to.equal(RET.ALLOW);
  });

  it('The compiler refuses what is not a profile', () => {
    const words = (...numbers: number[]) => BigUint64Array.from(numbers, BigInt);
    const call = native.compileSeccomp.bind(native) as (...args: unknown[]) => unknown;
    for (const args of [
      [],
      [['x86_64'], ['read'], words(0, 0)],
      [['x86_64'], [], words(0)],
      [['x86_64'], [], words(0, 0, 1, 0, 0)],
      [['x86_64'], ['read'], words(0, 0, 1, 0)],
      [['x86_64'], ['read'], words(0, 0, 1, 0, 7)],
      [['x86_64'], ['read'], words(0, 0, 1, 0, 1, 6, 4, 0, 0)],
      [['x86_64'], ['read'], words(0, 0, 1, 0, 1, 0, 8, 0, 0)],
      [['x86_64'], ['read'], words(0, 0, 1, 0, 1, 0, 0, 0, 0)],
      [['x86_64'], ['read'], words(0, 0, 1, 2 ** 32, 0)],
      [['x86_64'], [1], words(0, 0, 1, 0, 0)],
      [['x86_64'], [], new Uint8Array(16)],
      ['x86_64', [], words(0, 0)],
    ]) {
      expect(() => call(...args)).to.throw(TypeError, 'malformed profile');
    }
  });

  it('The compiler refuses a profile beyond the 4096 instructions that the kernel takes', async () => {
    const syscalls: LinuxSyscall[] = [];
    for (let i = 0; i < 2000; i++) {
      const args = [{ index: i % 6, value: i, op: 'SCMP_CMP_GT' as const }];
      syscalls.push({ names: ['read'], action: 'SCMP_ACT_ALLOW', args });
    }
    const profile: LinuxSeccomp = { defaultAction: 'SCMP_ACT_ERRNO', syscalls };
    const error = await rejectionOf(compileProfile(profile, native, '/nonexistent'));
    expect(error.code).to.equal('ERR_INVALID_OPTION');
    expect(error.message).to.contain('4096');
  });
});
