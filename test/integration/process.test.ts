import { writeFile } from 'node:fs/promises';
import { expect } from 'chai';
import { DEFAULT_CAPABILITIES } from '../../lib/engine/options/capabilities.js';
import type { RunOptions } from '../../lib/engine/options/options.js';
import { CAPABILITIES, capabilityMask } from '../../lib/oci/capability-sets.js';
import { needsRoot } from '../support/needs.js';
import { spareDevice, statusOf } from '../support/outside.js';
import { Workshop } from '../support/workshop.js';

const root = needsRoot('a user’s --privileged is not the host’s root');

describe('the process', () => {
  let shop: Workshop;

  before(async () => {
    shop = await Workshop.open();
  });

  after(() => shop.close());

  const failure = (options: RunOptions) =>
    shop.engine.run(shop.busybox, ['true'], options).then(
      () => undefined,
      (reason: unknown) => reason as Error & { code: string },
    );

  describe('the user of the process', () => {
    const ids = (options: RunOptions) =>
      shop.sh('id -u; id -g; id -G; grep ^Groups: /proc/self/status; echo $HOME', options);

    it('The user is root by default', async () => {
      expect(await ids({})).to.match(/^0\n0\n0\nGroups:\s+0 ?\n\/root$/);
    });

    it('A user is found by name, with its group and home', async () => {
      expect(await ids({ user: 'user' })).to.match(/^1000\n1000\n1000 29\n.*\n\/home\/user$/);
    });

    it('A user is found by number, known or not', async () => {
      expect(await ids({ user: '1000' })).to.match(/^1000\n1000\n1000 29\n.*\n\/home\/user$/);
      expect(await ids({ user: '4711' })).to.match(/^4711\n0\n0\n.*\n\/$/);
    });

    it('The process has the group that was asked for', async () => {
      expect(await ids({ user: '4711:815' })).to.match(/^4711\n815\n815\n/);
      expect(await ids({ user: 'user:tty' })).to.match(/^1000\n5\n5\n/);
      expect(await ids({ user: '0:1000' })).to.match(/^0\n1000\n1000\n/);
    });

    it('The process has the groups of the group file, and the added ones', async () => {
      const root = shop.copyOfBusybox('groups');
      await writeFile(
        `${root.path}/etc/group`,
        'root:x:0:\naudio:x:29:user,root\nvideo:x:44:user\nuser:x:1000:\n',
      );
      const groups = async (options: RunOptions) =>
        (await shop.sh('id -G', options, root)).split(' ').map(Number);
      expect(await groups({ user: 'user' })).to.have.members([1000, 29, 44]);
      expect(await groups({ user: 'user:audio' })).to.deep.equal([29]);
      expect(await groups({ user: 'user', groupAdd: ['video', 7, '8'] })).to.have.members([
        1000, 29, 44, 7, 8,
      ]);
      expect(await groups({ groupAdd: ['audio', 9] })).to.have.members([0, 29, 9]);
    });

    it('A user is looked up in the container’s own files only', async () => {
      for (const options of [{ user: 'games' }, { user: 'user:games' }, { groupAdd: ['games'] }]) {
        const error = await failure(options);
        expect(error?.code).to.equal('ERR_NO_SUCH_USER');
        expect(error?.message).to.include('games');
      }
      expect(await shop.sh('id -un', { user: 'games' }, 'host')).to.equal('games');
    });

    it('A user owns what it makes, and may do no more than its rights allow', async () => {
      const text = await shop.sh(
        'touch /tmp/x && stat -c %u:%g /tmp/x; touch /etc/x 2>&1; ls /root 2>&1; cat /proc/1/environ 2>&1; ' +
          'kill -9 1 2>&1; true',
        { user: 'user' },
      );
      expect(text).to.match(/^1000:1000\n/);
      expect(text.match(/Permission denied|Operation not permitted/g)?.length).to.equal(4);
    });

    it('A user may use the standard streams again by name', async () => {
      for (const userns of ['auto', 'host'] as const) {
        const run = shop.engine.run(
          shop.busybox,
          ['sh', '-c', 'cat /dev/stdin >/dev/stdout; echo e >/dev/stderr; echo f >/proc/self/fd/2'],
          { user: 'user', stdin: 'pipe', userns },
        );
        run.stdin!.end('hello');
        const { stdout, stderr } = await run;
        expect([stdout, stderr]).to.deep.equal(['hello', 'e\nf\n']);
      }
    });
  });

  it('The process has the environment that was asked for', async () => {
    const env = async (options: RunOptions) =>
      (await shop.sh('cat /proc/self/environ', { ...options }))
        .split('\0')
        .filter((line) => line !== '' && !/^(?:PWD|SHLVL|_)=/.test(line));
    const box = { hostname: 'box' };
    const path = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
    expect(await env(box)).to.have.members([path, 'HOSTNAME=box', 'HOME=/root']);
    expect(
      await env({ ...box, env: { A: 'b c', EMPTY: '', HOME: '/h', PATH: '/bin', U: 'ä\n€' } }),
    ).to.have.members(['PATH=/bin', 'HOSTNAME=box', 'A=b c', 'EMPTY=', 'HOME=/h', 'U=ä\n€']);
    expect(await env({ ...box, env: ['HOSTNAME', 'X=1=2'] })).to.have.members([
      path,
      'HOME=/root',
      'X=1=2',
    ]);
    expect(await shop.sh('echo $BIG | wc -c', { env: { BIG: 'x'.repeat(100_000) } })).to.equal(
      '100001',
    );
  });

  it('The program is found along the PATH that it was given', async () => {
    const { stdout } = await shop.engine.run(shop.busybox, ['env'], {
      env: { PATH: '/nowhere:/usr/bin' },
    });
    expect(stdout).to.include('PATH=/nowhere:/usr/bin');
  });

  it('The program has its arguments as they were, whatever is in them', async () => {
    const args = [
      '',
      ' a  b ',
      '$HOME',
      '"',
      "'",
      '\\',
      '*',
      '\n',
      'ä€😀',
      '-x',
      'x'.repeat(50_000),
    ];
    const { stdout } = await shop.engine.run(shop.busybox, ['printf', '%s\\0', ...args]);
    expect(stdout.split('\0').slice(0, -1)).to.deep.equal(args);
  });

  it('The program has the entrypoint before its arguments', async () => {
    const options = { entrypoint: ['echo', 'one'] };
    const { stdout } = await shop.engine.run(shop.busybox, ['two'], options);
    expect(stdout).to.equal('one two\n');
  });

  describe('the capabilities of the process', () => {
    const bits = (names: readonly string[]) => capabilityMask(names).toString(16).padStart(16, '0');

    const sets = async (options: RunOptions) => {
      const text = await shop.sh('grep -E "^(Cap|NoNew|Seccomp:)" /proc/self/status', options);
      return Object.fromEntries(text.split('\n').map((line) => line.split(':\t'))) as Record<
        string,
        string
      >;
    };

    for (const userns of ['auto', 'host'] as const) {
      describe(`with userns "${userns}"`, () => {
        it('The capabilities are Docker’s, none of them inheritable or ambient', async () => {
          expect(await sets({ userns })).to.include({
            CapInh: bits([]),
            CapPrm: bits(DEFAULT_CAPABILITIES),
            CapEff: bits(DEFAULT_CAPABILITIES),
            CapBnd: bits(DEFAULT_CAPABILITIES),
            CapAmb: bits([]),
          });
        });

        it('The capabilities are only a bound for a user that is not root', async () => {
          expect(await sets({ userns, user: 'user' })).to.include({
            CapInh: bits([]),
            CapPrm: bits([]),
            CapEff: bits([]),
            CapBnd: bits(DEFAULT_CAPABILITIES),
            CapAmb: bits([]),
          });
        });

        it('The capabilities are more and fewer as asked', async () => {
          const options = {
            userns,
            capAdd: ['NET_ADMIN', 'cap_sys_time'],
            capDrop: ['MKNOD', 'chown'],
          };
          const names = DEFAULT_CAPABILITIES.filter((n) => n !== 'CAP_MKNOD' && n !== 'CAP_CHOWN');
          const expected = bits([...names, 'CAP_NET_ADMIN', 'CAP_SYS_TIME']);
          expect(await sets(options)).to.include({ CapEff: expected, CapBnd: expected });
          expect(await sets({ userns, capDrop: ['ALL'] })).to.include({
            CapEff: bits([]),
            CapBnd: bits([]),
          });
          expect(await sets({ userns, capDrop: ['ALL'], capAdd: ['KILL'] })).to.include({
            CapEff: bits(['CAP_KILL']),
            CapBnd: bits(['CAP_KILL']),
          });
        });

        it('The capabilities have their effect', async () => {
          const set = 'ip link set lo mtu 9000 2>/dev/null && echo set || echo refused';
          expect(await shop.sh(set, { userns })).to.equal('refused');
          expect(await shop.sh(set, { userns, capAdd: ['NET_ADMIN'] })).to.equal('set');
          const own = 'chown 1 /tmp 2>/dev/null && echo owned || echo refused';
          expect(await shop.sh(own, { userns })).to.equal('owned');
          expect(await shop.sh(own, { userns, capDrop: ['CHOWN'] })).to.equal('refused');
        });
      });
    }

    it('The capabilities are all of them over its own with userns "auto" and ALL', async () => {
      const { CapEff } = await sets({ capAdd: ['ALL'] });
      expect(CapEff).to.equal(bits(CAPABILITIES));
    });

    it('The capabilities cannot be won back', async () => {
      const look =
        'cp /usr/bin/id /usr/bin/grep /tmp && chmod 6755 /tmp/id /tmp/grep && ' +
        'setpriv --reuid 1000 --regid 1000 --clear-groups sh -c ' +
        '"/tmp/id -u; /tmp/grep ^CapEff /proc/self/status"';
      // Set-user-id programs work, up to the bound; with no-new-privileges they do not.
      expect(await shop.sh(look, {}, 'host')).to.equal(`0\nCapEff:\t${bits(DEFAULT_CAPABILITIES)}`);
      expect(await shop.sh(look, { securityOpt: ['no-new-privileges'] }, 'host')).to.equal(
        `1000\nCapEff:\t${bits([])}`,
      );
    });

    it('The capabilities go with a filter, and with no-new-privileges when asked', async () => {
      for (const userns of ['auto', 'host'] as const) {
        const state = async (securityOpt: string[]) => {
          const { NoNewPrivs, Seccomp } = await sets({ userns, securityOpt });
          return `${NoNewPrivs} ${Seccomp}`;
        };
        expect(await state([])).to.equal('0 2');
        expect(await state(['no-new-privileges'])).to.equal('1 2');
        expect(await state(['seccomp=unconfined'])).to.equal('0 0');
        expect(await state(['seccomp=unconfined', 'no-new-privileges:true'])).to.equal('1 0');
        expect(await state(['no-new-privileges=false'])).to.equal('0 2');
      }
    });

    it('The first process has none of the capabilities where it is an init, which only passes signals on', async () => {
      // It drops them when the program has been exec'ed, and may take a moment for it.
      const text = await shop.sh(
        'until grep -q "^NoNewPrivs:.1" /proc/1/status; do usleep 1000; done; ' +
          'grep -E "^Cap(Inh|Prm|Eff|Amb)" /proc/1/status',
      );
      const [none, kill] = [bits([]), bits(['CAP_KILL'])];
      expect(text.replaceAll('\t', ' ')).to.equal(
        `CapInh: ${none}\nCapPrm: ${kill}\nCapEff: ${kill}\nCapAmb: ${none}`,
      );
    });
  });

  describe('the filter', () => {
    // In a fresh user namespace one would have every capability.
    const TRY = 'unshare -Ur true 2>&1 && echo allowed || echo refused';

    it('The filter of the default profile refuses what Docker’s does', async () => {
      expect(await shop.sh(TRY)).to.match(/refused$/);
      expect(await shop.sh(TRY, { securityOpt: ['seccomp=unconfined'] })).to.equal('allowed');
      expect(
        await shop.sh('mount -t tmpfs x /tmp 2>&1 && echo mounted', { capAdd: ['SYS_ADMIN'] }),
      ).to.equal('mounted');
    });

    it('The filter may come from a file', async () => {
      const profile = {
        defaultAction: 'SCMP_ACT_ALLOW',
        syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 95 }],
      };
      await writeFile(shop.path('profile.json'), JSON.stringify(profile));
      const text = await shop.sh('mkdir /tmp/x 2>&1; touch /tmp/y && ls /tmp', {
        securityOpt: [`seccomp=${shop.path('profile.json')}`],
      });
      expect(text).to.match(/Operation not supported|Not supported/);
      expect(text).to.match(/\ny$/);
    });
  });

  it('A program starts under a filter that leaves it little', async () => {
    // What the last steps before the program cannot do without, and what busybox does.
    const names =
      'setgroups setresgid setresuid prctl capset mmap execve ' +
      'brk arch_prctl set_tid_address set_robust_list rseq prlimit64 readlink readlinkat getrandom mprotect ' +
      'getuid geteuid getgid getegid uname write writev fstat newfstatat exit_group';
    const profile = {
      defaultAction: 'SCMP_ACT_ERRNO',
      syscalls: [{ names: names.split(' '), action: 'SCMP_ACT_ALLOW' }],
    };
    await writeFile(shop.path('tight.json'), JSON.stringify(profile));
    for (const init of [true, false]) {
      const execution = shop.engine.run(shop.busybox, ['echo', 'hello'], {
        init,
        securityOpt: [`seccomp=${shop.path('tight.json')}`],
      });
      await execution.started;
      const { stdout, exitCode, timeline } = await execution;
      expect(`${exitCode} ${stdout}`).to.equal('0 hello\n');
      expect(timeline.steps.at(-1)?.op).to.equal('exec');
    }
  });

  describe('kernel paths', () => {
    it('Kernel paths that tell or change too much are masked or read-only', async () => {
      const text = await shop.sh(
        'cat /proc/kcore /proc/keys /proc/timer_list /proc/interrupts 2>/dev/null | wc -c; ' +
          'ls -A /proc/acpi /proc/scsi /sys/firmware 2>/dev/null | grep -v : | grep . | wc -l; ' +
          'for f in /proc/sys/kernel/panic /proc/sysrq-trigger /proc/irq/default_smp_affinity /sys/kernel/mm/ksm/run; do ' +
          '(echo 0 >$f) 2>/dev/null && echo wrote $f; done; echo done',
        { userns: 'host', capAdd: ['SYS_ADMIN'] },
      );
      expect(text).to.equal('0\n0\ndone');
    });
  });

  describe('a privileged process', () => {
    root.it(
      'A privileged program has all capabilities and devices, no filter and no masks',
      async () => {
        const device = (await spareDevice()) ?? '/dev/null';
        const text = await shop.sh(
          'grep -E "^(CapEff|Seccomp):" /proc/self/status; cat /proc/self/uid_map; ' +
            `(: <${device}) && echo device; ` +
            'head -c 1 /proc/interrupts | wc -c; ls -A /sys/firmware | wc -l; ' +
            'touch /proc/sys/kernel/panic && echo sys; grep " /sys sysfs" /proc/self/mounts | cut -d" " -f4; ' +
            'mknod /tmp/n b 7 0 && (: </tmp/n) && echo node; mount -t tmpfs x /mnt 2>/dev/null || mkdir /mnt && mount -t tmpfs x /mnt && echo mounted',
          { privileged: true },
        );
        const lines = text.split('\n').map((line) => line.trim().replaceAll(/\s+/g, ' '));
        // No program can be given what this process lacks itself.
        const { CapPrm } = await statusOf(process.pid);
        expect(lines[0]).to.equal(`CapEff: ${CapPrm}`);
        expect(lines[1]).to.equal('Seccomp: 0');
        expect(lines[2]).to.equal('0 0 4294967295');
        expect(lines[3]).to.equal('device');
        expect(lines[4]).to.equal('1');
        expect(Number(lines[5])).to.be.greaterThan(0);
        expect(lines[6]).to.equal('sys');
        expect(lines[7]).to.match(/^rw,/);
        expect(lines.slice(8)).to.deep.equal(['node', 'mounted']);
      },
    );
  });

  describe('sysctls', () => {
    it('The sysctls are those of the container, and the host’s stay', async () => {
      const read =
        'cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmax /proc/sys/kernel/sem /proc/sys/fs/mqueue/msg_max /proc/sys/net/ipv4/ip_unprivileged_port_start';
      for (const userns of ['auto', 'host'] as const) {
        const text = await shop.sh(read, {
          userns,
          sysctls: {
            'net.ipv4.ip_forward': 1,
            'kernel.shmmax': '12345678',
            'kernel.sem': '251 32001 101 129',
            'fs.mqueue.msg_max': 17,
            'net.ipv4.ip_unprivileged_port_start': 80,
          },
        });
        expect(text.replaceAll('\t', ' ')).to.equal('1\n12345678\n251 32001 101 129\n17\n80');
        expect(await shop.sh('cat /proc/sys/kernel/shmmax')).not.to.equal('12345678');
      }
    });

    it('A sysctl that the kernel refuses is an error with an address', async () => {
      const error = (await failure({ sysctls: { 'net.ipv4.ip_forward': 'many' } })) as
        (Error & { code: string; step: string; path: string; errno: string }) | undefined;
      expect(error?.code).to.equal('ERR_START_FAILED');
      expect(error?.step).to.equal('sysctl.write');
      expect(error?.errno).to.equal('EINVAL');
      expect(error?.path).to.include('ip_forward');
      const missing = (await failure({ sysctls: { 'net.ipv4.no_such_thing': '1' } })) as
        (Error & { errno: string }) | undefined;
      expect(missing?.errno).to.equal('ENOENT');
    });
  });

  it('The process has the limits that were asked for', async () => {
    const text = await shop.sh('cat /proc/self/limits', {
      ulimits: ['nofile=123:456', 'nproc=77', 'core=0', 'stack=4194304:-1'],
    });
    expect(text).to.match(/^Max open files +123 +456 /m);
    expect(text).to.match(/^Max processes +77 +77 /m);
    expect(text).to.match(/^Max core file size +0 +0 /m);
    expect(text).to.match(/^Max stack size +4194304 +unlimited /m);
    expect(
      await shop.sh('dd if=/dev/zero of=/tmp/x bs=1k count=9 2>/dev/null || stat -c %s /tmp/x', {
        ulimits: { fsize: 4096 },
      }),
    ).to.equal('4096');
  });

  it('The process has the OOM score adjustment that was asked for', async () => {
    for (const oomScoreAdj of [500, 0]) {
      expect(await shop.sh('cat /proc/self/oom_score_adj', { oomScoreAdj })).to.equal(
        String(oomScoreAdj),
      );
    }
  });

  it('The program starts with signals as they should be', async () => {
    for (const init of [true, false]) {
      const command = ['grep', '-E', '^Sig(Blk|Ign|Pnd)', '/proc/self/status'];
      const { stdout } = await shop.engine.run(shop.busybox, command, { init });
      expect(stdout.replaceAll('\t', ' ')).to.equal(
        ['SigPnd', 'SigBlk', 'SigIgn'].map((name) => `${name}: ${'0'.repeat(16)}\n`).join(''),
      );
    }
    expect(await shop.sh('umask')).to.equal('0022');
  });
});
