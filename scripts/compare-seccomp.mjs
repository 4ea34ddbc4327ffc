// Compares the default seccomp profile with Docker's, for x86-64 and arm64 and for every capability that either profile
// asks for, and prints each difference with its reason. It fails when a difference has no reason here, or a reason has no
// difference any more. Docker's side is the stored copy of the facts in test/unit/fixtures/moby-seccomp.json, which names
// its source and version.
//   scripts/build-ts && node scripts/compare-seccomp.mjs
import { readFileSync } from 'node:fs';

import { defaultSeccompProfile } from '../dist/lib/oci/seccomp-default.js';

const facts = JSON.parse(
  readFileSync(new URL('../test/unit/fixtures/moby-seccomp.json', import.meta.url), 'utf8'),
);

/**
 * `tighter`: Docker allows calls that we refuse; `looser`: the reverse; `other`: both refuse, with different errors.
 * `arch` limits a row to one instruction set.
 */
const REASONS = [
  {
    tighter: facts.otherModes + ' stime clock_settime64 umount',
    why: 'exists in 32-bit modes only, which the default profile does not have',
  },
  {
    tighter: 'arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush set_tls sync_file_range2',
    arch: 'arm64',
    why: '32-bit Arm only, as above',
  },
  {
    tighter: 'socket socketpair',
    why:
      'Docker allows every address family that current kernels have except AF_ALG and AF_VSOCK, and any socketpair; ours names ' +
      'the families in use, so that no call loads the module of an abandoned protocol',
  },
  {
    tighter: 'epoll_ctl_old epoll_wait_old get_thread_area set_thread_area lookup_dcookie',
    why: 'the 64-bit kernels have no such call, or have removed it',
  },
  {
    looser: 'file_getattr file_setattr',
    why: 'newer than the profile of Docker (Linux 6.17); they do what FS_IOC_FSGETXATTR and FS_IOC_FSSETXATTR do through ioctl, which both allow',
  },
  {
    looser: 'uprobe',
    why: 'newer than the profile of Docker (Linux 6.18); like uretprobe, which both allow, it only works from the page that the kernel has put into a probed process',
  },
  {
    looser: 'listns open_tree_attr',
    why: 'newer than the profile of Docker; with CAP_SYS_ADMIN alone, beside open_tree and mount_setattr',
  },
  {
    looser: 'pivot_root',
    why: 'with CAP_SYS_ADMIN alone, beside mount: a container engine inside needs it (docs/nested.md)',
  },
];

const ARCHES = ['x64', 'arm64'];
/** First arguments that distinguish the conditions. */
const PROBES = [
  ...Array(64).keys(),
  ...facts.firstArgument.personality.oneOf,
  ...[7, 17, 25, 26, 27, 28, 29, 30].map((bit) => 2 ** bit),
  0x40000,
  0x3d0f00,
];

const words = (text) => text.split(' ').filter(Boolean);
const has = (list, name) => list !== undefined && words(list).includes(name);

/** The verdict of Docker's profile, on a kernel that is new enough for all of it. */
function docker(name, argument, capabilities, arch) {
  if (has(facts.always, name) || has(facts.otherModes, name) || has(facts.only[arch], name))
    return 'allow';
  if (Object.values(facts.sinceKernel).some((list) => has(list, name))) return 'allow';
  for (const [capability, list] of Object.entries(facts.with))
    if (capabilities.has(capability) && has(list, name)) return 'allow';
  if (facts.firstArgument[name]?.oneOf.includes(argument)) return 'allow';
  for (const [capability, rules] of Object.entries(facts.without)) {
    const rule = capabilities.has(capability) ? undefined : rules[name];
    if (rule?.errno !== undefined) return `errno ${rule.errno}`;
    if (rule !== undefined && (BigInt(argument) & BigInt(rule.noneOfBits)) === 0n) return 'allow';
  }
  return `errno ${facts.otherwise.errno}`;
}

/** The verdict of our profile; docs/decisions/0002-seccomp-layout.md describes how several rules for one call are combined. */
function ours(name, argument, capabilities, arch) {
  const profile = defaultSeccompProfile(capabilities, arch);
  const rules = profile.syscalls.filter((rule) => rule.names.includes(name));
  const holds = ({ index, op, value, valueTwo }) => {
    if (index !== 0 || op !== 'SCMP_CMP_MASKED_EQ')
      throw new Error(`${name}: a condition that this script does not know`);
    return (BigInt(argument) & BigInt(value)) === BigInt(valueTwo);
  };
  const rule =
    rules.find((one) => !one.args?.length) ?? rules.find((one) => one.args?.every(holds));
  if (rule?.action === 'SCMP_ACT_ALLOW') return 'allow';
  return `errno ${rule?.errnoRet ?? profile.defaultErrnoRet}`;
}

function namesOf(arch, sets) {
  const names = new Set(
    words(facts.always + ' ' + facts.otherModes + ' ' + (facts.only[arch] ?? '')),
  );
  for (const list of [...Object.values(facts.with), ...Object.values(facts.sinceKernel)])
    for (const name of words(list)) names.add(name);
  for (const name of Object.keys(facts.firstArgument)) names.add(name);
  for (const rules of Object.values(facts.without))
    for (const name of Object.keys(rules)) names.add(name);
  for (const set of sets)
    for (const rule of defaultSeccompProfile(set, arch).syscalls)
      for (const name of rule.names) names.add(name);
  return names;
}

const conditional = new Set(['socket', 'socketpair', 'personality', 'clone']);
const capabilities = Object.keys(facts.with);
const differences = new Map();
for (const arch of ARCHES) {
  const sets = [new Set(), ...capabilities.map((one) => new Set([one])), new Set(capabilities)];
  for (const name of namesOf(arch, sets)) {
    for (const set of sets) {
      for (const argument of conditional.has(name) ? PROBES : [0]) {
        const [mine, theirs] = [ours(name, argument, set, arch), docker(name, argument, set, arch)];
        if (mine === theirs) continue;
        const kind = mine === 'allow' ? 'looser' : theirs === 'allow' ? 'tighter' : 'other';
        const key = `${kind} ${name} ${arch}`;
        const seen = differences.get(key) ?? {
          kind,
          name,
          arch,
          sets: new Set(),
          arguments: new Set(),
        };
        seen.sets.add([...set].join('+') || 'no capability');
        if (conditional.has(name)) seen.arguments.add(argument);
        differences.set(key, seen);
      }
    }
  }
}

let failed = false;
const complain = (text) => {
  failed = true;
  console.error(`compare-seccomp: ${text}`);
};
const covers = (row, { kind, name, arch }) => has(row[kind], name) && (row.arch ?? arch) === arch;
for (const difference of differences.values()) {
  const { kind, name, arch, sets } = difference;
  if (REASONS.some((row) => covers(row, difference))) continue;
  complain(
    `${arch}: ${name} is ${kind} than Docker's (${[...sets].slice(0, 3).join(', ')}) without a reason`,
  );
}
for (const row of REASONS) {
  for (const kind of ['looser', 'tighter', 'other']) {
    for (const name of words(row[kind] ?? ''))
      if (
        ![...differences.values()].some(
          (difference) => difference.name === name && covers(row, difference),
        )
      )
        complain(`${name} is no longer ${kind} than Docker's: take its reason away`);
    if (row[kind] !== undefined)
      console.log(`${kind}${row.arch ? ` (${row.arch})` : ''}: ${row[kind]}\n    ${row.why}`);
  }
}
console.log(
  `compared with ${facts.source}, ${facts.commit.slice(0, 12)}: ${ARCHES.join(', ')}, ${capabilities.length} capabilities, ` +
    `${new Set([...differences.values()].map(({ name }) => name)).size} calls differ`,
);
process.exitCode = failed ? 1 : 0;
