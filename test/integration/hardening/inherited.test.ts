/** What the programs of a container have from the process that starts it, and whose limits they use up. */
import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { watch } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { needsRoot } from '../../support/needs.js';
import { repository } from '../../support/paths.js';
import type { Session } from '../../support/session.js';
import { Workshop } from '../../support/workshop.js';

const root = needsRoot('what an unprivileged user may not take back, stays');

/** System call numbers by architecture, for perl: asm/unistd.h. */
const SYSCALL = {
  x64: { add_key: 248, keyctl: 250, prctl: 157, inotify_init1: 294 },
  arm64: { add_key: 217, keyctl: 219, prctl: 167, inotify_init1: 26 },
}[process.arch as 'x64' | 'arm64'];

const KEY = `caisson-test-${process.pid}`;

/** Makes itself as odd a caller as there can be, and executes its arguments. */
const ODD_CALLER = `
  sub put { open my $file, '>', "/proc/self/$_[0]" or die "$_[0]: $!"; print $file $_[1]; close $file or die "$_[0]: $!" }
  put('coredump_filter', '0x7f'); put('oom_score_adj', '300'); put('timerslack_ns', '777000');
  syscall(${SYSCALL.prctl}, 41, 1, 0, 0, 0) == 0 or die "THP: $!";
  syscall(${SYSCALL.keyctl}, 1, 0) > 0 or die "keyring: $!";
  my ($type, $name, $value) = ('user', '${KEY}', 'secret');
  syscall(${SYSCALL.add_key}, $type, $name, $value, 6, -3) > 0 or die "key: $!";
  umask 077;
  $SIG{$_} = 'IGNORE' for qw(HUP PIPE USR1 CHLD);
  exec @ARGV or die $!;
`;

/** What a program finds, as JSON. */
const REPORT = `
  sub get { open my $file, '<', "/proc/self/$_[0]" or return "$!"; local $/; my $text = <$file>; $text =~ s/\\s+$//; $text }
  my %status = map { /^(\\w+):\\s*(.*)$/ ? ($1, $2) : () } split /\\n/, get('status');
  my @stat = split ' ', get('stat') =~ s/.*\\) //r;
  my ($type, $name) = ('user', '${KEY}');
  my $key = syscall(${SYSCALL.keyctl}, 10, -3, $type, $name, 0) < 0 ? 'none' : 'found';
  my %found = (
    nice => $stat[16], policy => $stat[38], io => \`ionice -p $$\` =~ s/\\s+$//r, oom => get('oom_score_adj'),
    personality => get('personality'), cpus => $status{Cpus_allowed_list}, slack => get('timerslack_ns'),
    thp => $status{THP_enabled}, coredump => get('coredump_filter'), ignored => $status{SigIgn},
    blocked => $status{SigBlk}, umask => $status{Umask}, owner => (stat '/proc/self/environ')[4], key => $key,
  );
  print '{', join(',', map { qq("$_":"$found{$_}") } sort keys %found), "}\\n";
`;

/** Which user a user namespace belongs to: ioctl_nsfs(2). */
const OWNER_OF = `
  open my $namespace, '<', $ARGV[0] or die $!;
  my $owner = pack 'L', 0;
  ioctl $namespace, 0xb704, $owner or die $!;
  print unpack 'L', $owner;
`;

describe('hardening: what is inherited', function () {
  this.timeout(90_000);
  let shop: Workshop;

  before(async () => {
    shop = await Workshop.open();
  });

  after(() => shop.close());

  describe('what is inherited of the caller', () => {
    /** `caisson` by such a caller; what it prints. */
    const odd = (...args: readonly string[]) =>
      execFileSync(
        'nice',
        [
          ...[
            '-n',
            '7',
            'ionice',
            '-c',
            '3',
            'taskset',
            '-c',
            '0',
            'chrt',
            '-b',
            '0',
            'setarch',
            '-R',
          ],
          ...['perl', '-e', ODD_CALLER, process.execPath, join(repository, 'bin/caisson')],
          ...['--data-root', shop.path('odd'), '--run-root', shop.path('odd-run'), ...args],
        ],
        { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
      );
    const expected = async () => ({
      nice: '0',
      policy: '0',
      io: 'none: prio 0',
      oom: '0',
      personality: '00000000',
      cpus: /^Cpus_allowed_list:\t(.*)$/m.exec(await readFile('/proc/self/status', 'utf8'))?.[1],
      slack: '50000',
      thp: '1',
      coredump: '00000033',
      ignored: '80'.padStart(16, '0'), // SIGFPE, which perl itself ignores
      blocked: '0'.repeat(16),
      umask: '0022',
      owner: '1000',
      key: 'none',
    });
    const common = ['--user', '1000', '--security-opt', 'seccomp=unconfined'];

    for (const userns of ['auto', 'host'])
      root.it(
        `A6: a program has nothing of its caller’s scheduling, memory, signals and keys (userns ${userns})`,
        async () => {
          const said = odd(
            'run',
            '--rm',
            ...common,
            '--userns',
            userns,
            'host',
            'perl',
            '-e',
            REPORT,
          );
          expect(JSON.parse(said)).to.deep.equal(await expected());
        },
      );

    root.it(
      'A6: neither has a further program of a container, and not of the one that it is started in',
      async () => {
        odd('run', '-d', '--name', 'odd', ...common, 'host', 'sleep', '60');
        try {
          const said = odd('exec', '--privileged', 'odd', 'perl', '-e', REPORT);
          expect(JSON.parse(said)).to.deep.equal(await expected());
        } finally {
          odd('rm', '-f', 'odd');
        }
      },
    );
  });

  describe('the limits of the user', () => {
    root.it(
      'B3: the user namespace belongs to the container’s own root, not to the host’s',
      async () => {
        await using session: Session = await shop.session();
        const pid = await session.pid(1);
        const owner = execFileSync('perl', ['-e', OWNER_OF, `/proc/${pid}/ns/user`], {
          encoding: 'utf8',
        });
        const first = (await readFile(`/proc/${pid}/uid_map`, 'utf8')).trim().split(/\s+/)[1];
        expect(Number(first)).to.be.greaterThan(0);
        expect(owner).to.equal(first);
      },
    );

    root.it(
      'B3: a container that takes all inotify instances that it can get leaves the host’s root its own',
      async () => {
        const limit = Number(await readFile('/proc/sys/fs/inotify/max_user_instances', 'utf8'));
        const exhaust = `my $n = 0; $n++ while syscall(${SYSCALL.inotify_init1}, 0) >= 0; print "$n\\n"; <STDIN>`;
        const run = () =>
          shop.engine.run('host', ['perl', '-e', `$| = 1; ${exhaust}`], {
            stdin: 'pipe',
            ulimits: { nofile: limit + 100 },
          });
        const first = run();
        const second = run();
        try {
          for (const { stdout } of [first, second]) {
            const [taken] = (await once(stdout!, 'data')) as unknown[];
            expect(Number(String(taken))).to.equal(limit);
          }
          watch(shop.directory).close();
        } finally {
          for (const execution of [first, second]) {
            execution.stdin!.end();
            await execution;
          }
        }
      },
    );
  });
});
