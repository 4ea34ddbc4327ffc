import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect } from 'chai';

import { CaissonError } from '../../../lib/base/errors.js';
import type { LinuxSeccomp } from '../../../lib/oci/runtime-spec.js';
import { defaultSeccompProfile } from '../../../lib/oci/seccomp-default.js';
import { filterFlags } from '../../../lib/oci/seccomp-encode.js';
import { loadProfile, parseProfile } from '../../../lib/oci/seccomp-profile.js';
import { compileProfile, type SeccompCompiler } from '../../../lib/oci/seccomp.js';
import { DOCKER_CAPABILITIES } from '../../support/docker-capabilities.js';
import { skip } from '../../support/skip.js';
import { rejectionOf } from '../../support/rejection.js';

const ADMIN = new Set([...DOCKER_CAPABILITIES, 'CAP_SYS_ADMIN']);
const NONE = new Set<string>();

/** Not the compiler's filters, but as many bytes: another filter for another profile. */
const native: SeccompCompiler = {
  compileSeccomp(architectures, names, words) {
    const digest = createHash('sha256')
      .update(JSON.stringify([architectures, names]))
      .update(words);
    return Promise.resolve({ filter: new Uint8Array(digest.digest()), unknown: [] });
  },
};

function thrownBy(action: () => unknown): CaissonError {
  try {
    action();
  } catch (error) {
    expect(error).to.be.instanceOf(CaissonError);
    return error as CaissonError;
  }
  throw new Error('nothing was thrown');
}

describe('seccomp: the default profile', () => {
  it('The profile is the same frozen object for equal sets of capabilities', () => {
    const profile = defaultSeccompProfile(DOCKER_CAPABILITIES, 'x64');
    expect(defaultSeccompProfile(new Set(DOCKER_CAPABILITIES), 'x64')).to.equal(profile);
    expect(defaultSeccompProfile(new Set(['CAP_SYS_CHROOT']), 'x64')).to.equal(profile);
    expect(defaultSeccompProfile(ADMIN, 'x64')).not.to.equal(profile);
    expect(defaultSeccompProfile(DOCKER_CAPABILITIES, 'arm64')).not.to.equal(profile);
    expect(profile.syscalls?.[0]?.names).to.satisfy(Object.isFrozen);
  });

  it('The profile has a rule for every system call of the kernel, and for none two without a condition', function () {
    const header = '/usr/include/x86_64-linux-gnu/asm/unistd_64.h';
    const rules = defaultSeccompProfile(NONE, 'x64').syscalls ?? [];
    const whole = rules.filter((rule) => !rule.args).flatMap((rule) => rule.names);
    expect(new Set(whole)).to.have.lengthOf(whole.length);
    if (!existsSync(header))
      skip(this, 'the kernel’s header with the numbers of system calls is not installed');
    const kernel = [...readFileSync(header, 'utf8').matchAll(/__NR_(\w+)/g)].map(
      ([, name]) => name,
    );
    const named = new Set(rules.flatMap((rule) => rule.names));
    expect(kernel.filter((name) => !named.has(name!))).to.deep.equal([]);
  });
});

describe('seccomp: profiles in files', () => {
  let directory: string;
  const target = { capabilities: DOCKER_CAPABILITIES, arch: 'x64', kernel: '6.1.0-13-amd64' };

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'caisson-seccomp-'));
  });
  after(() => rm(directory, { recursive: true }));

  async function load(content: unknown): Promise<LinuxSeccomp> {
    const file = join(directory, 'profile.json');
    await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content));
    return await loadProfile(file, target);
  }

  it('A profile in the OCI form is taken as it is', async () => {
    const profile: LinuxSeccomp = {
      defaultAction: 'SCMP_ACT_ERRNO',
      defaultErrnoRet: 38,
      architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_S390X'],
      flags: ['SECCOMP_FILTER_FLAG_LOG'],
      syscalls: [
        { names: ['read', 'write'], action: 'SCMP_ACT_ALLOW' },
        {
          names: ['kill'],
          action: 'SCMP_ACT_TRACE',
          errnoRet: 7,
          args: [{ index: 1, value: 9, valueTwo: 1, op: 'SCMP_CMP_MASKED_EQ' }],
        },
      ],
    };
    expect(await load(profile)).to.deep.equal(profile);
    expect(filterFlags(profile)).to.equal(2);
  });

  it('A profile in Docker’s form is resolved for the machine, the kernel and the capabilities', async () => {
    const rule = (name: string, when: object) => ({
      names: [name],
      action: 'SCMP_ACT_ALLOW',
      args: null,
      comment: 'why',
      ...when,
    });
    const profile = await load({
      defaultAction: 'SCMP_ACT_ERRNO',
      archMap: [
        { architecture: 'SCMP_ARCH_AARCH64', subArchitectures: ['SCMP_ARCH_ARM'] },
        { architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86'] },
        { architecture: 'SCMP_ARCH_RISCV64', subArchitectures: null },
      ],
      syscalls: [
        rule('read', { includes: {}, excludes: {} }),
        rule('chroot', { includes: { caps: ['CAP_SYS_CHROOT'] } }),
        rule('mount', { includes: { caps: ['CAP_SYS_CHROOT', 'CAP_SYS_ADMIN'] } }),
        rule('clone', { excludes: { caps: ['CAP_SYS_ADMIN'] } }),
        rule('kill', { excludes: { caps: ['CAP_KILL'] } }),
        rule('arch_prctl', { includes: { arches: ['amd64', 'x32'] } }),
        rule('breakpoint', { includes: { arches: ['arm', 'arm64'] } }),
        rule('write', { excludes: { arches: ['amd64'] } }),
        rule('ptrace', { includes: { minKernel: '4.8' } }),
        rule('dup', { includes: { minKernel: '6.1' } }),
        rule('pipe', { includes: { minKernel: '6.2' } }),
        rule('open', { excludes: { minKernel: '6.1' } }),
        { name: 'close', action: 'SCMP_ACT_ERRNO', errno: 'EACCES' },
      ],
    });
    expect(profile.architectures).to.deep.equal(['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86']);
    const names = (profile.syscalls ?? []).flatMap((each) => each.names);
    expect(names.join(' ')).to.equal('read chroot clone arch_prctl ptrace dup close');
    expect(profile.syscalls?.at(-1)?.errnoRet).to.equal(13);
  });

  const allow = { names: ['read'], action: 'SCMP_ACT_ALLOW' };
  const withArg = (arg: object) => ({
    defaultAction: 'SCMP_ACT_ERRNO',
    syscalls: [{ ...allow, args: [{ index: 0, value: 1, op: 'SCMP_CMP_EQ', ...arg }] }],
  });
  const withRule = (rule: object) => ({
    defaultAction: 'SCMP_ACT_ERRNO',
    syscalls: [allow, { ...allow, ...rule }],
  });
  for (const [title, content, message] of [
    ['text that is no JSON', '{', 'JSON'],
    ['something else than an object', '[]', 'must be an object'],
    ['a missing default', { syscalls: [] }, 'defaultAction must be a string'],
    ['an unknown default', { defaultAction: 'ALLOW' }, 'default: unknown action "ALLOW"'],
    ['an unknown key', { defaultAction: 'SCMP_ACT_ERRNO', syscall: [] }, 'unknown key "syscall"'],
    ['an unknown action', withRule({ action: 'SCMP_ACT_NO' }), 'syscalls[1]: unknown action'],
    ['a rule without names', withRule({ names: [] }), 'syscalls[1]: names no system call'],
    ['names of another type', withRule({ names: [1] }), 'names must be an array of names'],
    ['an errno where none belongs', withRule({ errnoRet: 1 }), 'takes no errno'],
    ['an errno beyond the last', withRule({ action: 'SCMP_ACT_ERRNO', errnoRet: 4096 }), '4096'],
    ['an unknown errno', withRule({ action: 'SCMP_ACT_ERRNO', errno: 'ENO' }), '"ENO"'],
    ['a key with a typo', withRule({ include: {} }), 'syscalls[1]: unknown key "include"'],
    ['an unknown filter', withRule({ includes: { cap: [] } }), 'includes: unknown key "cap"'],
    ['a strange kernel', withRule({ includes: { minKernel: '4' } }), '"4" is not a kernel version'],
    ['an unknown operator', withArg({ op: 'EQ' }), 'syscalls[0]: unknown operator "EQ"'],
    ['a seventh argument', withArg({ index: 6 }), 'arguments 0 to 5, not 6'],
    ['a negative value', withArg({ value: -1 }), '-1 is not an integer'],
    [
      'a value that JSON rounds',
      withArg({ valueTwo: 2 ** 53 }),
      'is not an integer from 0 to 2^53',
    ],
    ['a value that is a string', withArg({ value: '1' }), 'value must be a number'],
    [
      'an unknown architecture',
      { defaultAction: 'SCMP_ACT_ALLOW', architectures: ['SCMP_ARCH_X68'] },
      'unknown architecture "SCMP_ARCH_X68"',
    ],
    [
      'two ways to name architectures',
      {
        defaultAction: 'SCMP_ACT_ALLOW',
        architectures: ['SCMP_ARCH_X86'],
        archMap: [{ architecture: 'SCMP_ARCH_X86_64' }],
      },
      'exclude each other',
    ],
    ['an unknown flag', { defaultAction: 'SCMP_ACT_ALLOW', flags: ['LOG'] }, 'unknown flag "LOG"'],
  ] as const) {
    it(`A profile is refused: ${title}`, async () => {
      const error = await rejectionOf(load(content));
      expect(error.code).to.equal('ERR_INVALID_OPTION');
      expect(error.path).to.equal(join(directory, 'profile.json'));
      expect(error.message).to.contain('profile.json: ').and.to.contain(message);
    });
  }

  it('A file that is not there is refused', async () => {
    const error = await rejectionOf(loadProfile(join(directory, 'missing'), target));
    expect(error).to.include({ code: 'ERR_INVALID_OPTION', errno: 'ENOENT' });
  });

  it('A profile with a listener for notifications is refused', async () => {
    for (const content of [
      withRule({ action: 'SCMP_ACT_NOTIFY' }),
      { defaultAction: 'SCMP_ACT_ALLOW', listenerPath: '/run/listener.sock' },
      { defaultAction: 'SCMP_ACT_ALLOW', flags: ['SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV'] },
    ]) {
      expect((await rejectionOf(load(content))).code).to.equal('ERR_UNSUPPORTED_OPTION');
    }
  });

  it('A profile for other machines is refused', () => {
    const parse = () =>
      parseProfile({ defaultAction: 'SCMP_ACT_ALLOW' }, { ...target, arch: 's390x' });
    expect(thrownBy(parse).code).to.equal('ERR_UNSUPPORTED_OPTION');
  });
});

describe('seccomp: the cache', () => {
  let directory: string;
  let compilations: number;
  const counting: SeccompCompiler = {
    compileSeccomp(architectures, names, words) {
      compilations++;
      return native.compileSeccomp(architectures, names, words);
    },
  };
  /** Each test its own profile: what one test compiled is in this process's memory for good. */
  let serial = 1000;
  let profile: LinuxSeccomp;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'caisson-seccomp-'));
    compilations = 0;
    profile = fresh(++serial);
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  function fresh(errno: number): LinuxSeccomp {
    return {
      defaultAction: 'SCMP_ACT_ERRNO',
      defaultErrnoRet: errno,
      syscalls: [{ names: ['read'], action: 'SCMP_ACT_ALLOW' }],
    };
  }

  async function cachedFile(): Promise<string> {
    const [file, ...others] = await readdir(join(directory, 'seccomp'));
    expect(others).to.deep.equal([]);
    expect(file).to.match(/^[0-9a-f]{64}\.bpf$/);
    return join(directory, 'seccomp', file!);
  }

  /** Of the profiles that nothing else compiles. */
  let others = 2000;

  /**
   * The same profile as a process without memory of it would see it: the memory holds 64 others by then, which have no directory
   * to be stored in.
   */
  async function forget(): Promise<LinuxSeccomp> {
    for (let i = 0; i < 64; i++) await compileProfile(fresh(++others), native, '/dev/null');
    return structuredClone(profile);
  }

  it('The cache compiles once for callers at the same time, and for equal profiles', async () => {
    const filters = await Promise.all([
      compileProfile(profile, counting, directory),
      compileProfile(profile, counting, directory),
      compileProfile(structuredClone(profile), counting, directory),
    ]);
    expect(compilations).to.equal(1);
    expect(filters[1]).to.equal(filters[0]);
    expect(filters[2]).to.equal(filters[0]);
    expect(compileProfile(profile, counting, directory)).to.equal(
      compileProfile(profile, counting, directory),
    );
  });

  it('The cache keeps filters on disk, for their owner only', async () => {
    const filter = await compileProfile(profile, counting, directory);
    const file = await cachedFile();
    expect((await stat(file)).mode & 0o777).to.equal(0o600);
    expect((await stat(join(directory, 'seccomp'))).mode & 0o777).to.equal(0o700);
    const again = await compileProfile(await forget(), counting, directory);
    expect(compilations).to.equal(1);
    expect(Buffer.from(again)).to.deep.equal(Buffer.from(filter));
  });

  for (const [title, damage] of [
    ['was emptied', (file: string) => writeFile(file, '')],
    ['was cut short', async (file: string) => writeFile(file, (await readFile(file)).subarray(8))],
    [
      'has other bytes',
      async (file: string) => {
        const content = await readFile(file);
        content[6]! ^= 1;
        await writeFile(file, content);
      },
    ],
    ['is too long', (file: string) => writeFile(file, Buffer.alloc(4097 * 8 + 32))],
    ['others can write to', (file: string) => chmod(file, 0o666)],
  ] as const) {
    it(`The cache compiles again where the file ${title}`, async () => {
      const filter = await compileProfile(profile, counting, directory);
      const file = await cachedFile();
      const sound = await readFile(file);
      await damage(file);
      const again = await compileProfile(await forget(), counting, directory);
      expect(compilations).to.equal(2);
      expect(Buffer.from(again)).to.deep.equal(Buffer.from(filter));
      expect(await readFile(await cachedFile())).to.deep.equal(sound);
    });
  }

  it('The cache does without a disk', async () => {
    await writeFile(join(directory, 'seccomp'), 'in the way');
    const filter = await compileProfile(profile, counting, directory);
    expect(filter.length).to.be.above(0);
    expect(await readdir(directory)).to.deep.equal(['seccomp']);
  });

  it('The cache does not remember failures', async () => {
    const failing: SeccompCompiler = {
      compileSeccomp: () => Promise.reject(new Error('out of order')),
    };
    const error = await rejectionOf(compileProfile(profile, failing, directory));
    expect(error.code).to.equal('ERR_INVALID_OPTION');
    expect(await compileProfile(profile, counting, directory)).to.be.instanceOf(Uint8Array);
  });
});
