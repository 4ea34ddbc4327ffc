/** Pid 1 of a container with `init`: what it may do itself, and what it passes on. */
import { expect } from 'chai';
import { readFile } from 'node:fs/promises';

import { untilLogged } from '../../support/detached.js';
import { skipping } from '../../support/skip.js';
import { needsRoot } from '../../support/needs.js';
import { eventually, statusOf } from '../../support/outside.js';
import type { Session } from '../../support/session.js';
import { Workshop } from '../../support/workshop.js';

const root = needsRoot('the host’s users');

/** linux/capability.h */
const CAP_KILL = 5n;

/** Everything that kill(2) can send and that can be held back, but SIGCHLD, which is the init's own. */
const SIGNALS = [
  ...['HUP', 'INT', 'QUIT', 'ILL', 'TRAP', 'ABRT', 'BUS', 'FPE', 'USR1', 'SEGV', 'USR2', 'PIPE'],
  ...['ALRM', 'TERM', 'STKFLT', 'CONT', 'TSTP', 'TTIN', 'TTOU', 'URG', 'XCPU', 'XFSZ', 'VTALRM'],
  ...['PROF', 'WINCH', 'IO', 'PWR', 'SYS'],
];

/**
 * Overwrites the code of pid 1 and wakes it. The new code makes a user namespace, which the default filter refuses, and
 * ends with the errno: 0 when it was allowed to.
 */
const TAKE_OVER = `
  open my $maps, '<', '/proc/1/maps' or exit 90;
  my ($from, $to) = map { hex } (grep { /r-xp.*caisson-init/ } <$maps>)[0] =~ /^(\\w+)-(\\w+)/ or exit 91;
  my $code = pack 'H*', 'b810010000' . 'bf00000010' . '0f05' . '89c7' . 'f7df' . 'b8e7000000' . '0f05';
  open my $mem, '+<:unix', '/proc/1/mem' or exit 92;
  sysseek $mem, $from, 0;
  my $written = syswrite $mem, "\\x90" x ($to - $from - length $code) . $code;
  exit 93 if $written != $to - $from;
  kill 'WINCH', 1;
  sleep 60;
`;

/** Sizes of what the process with these maps has of the memory that it once shared with Node. */
function sharedIn(maps: string): number[] {
  const lines = maps.split('\n').filter((line) => line.includes('caisson-page'));
  return lines.map((line) => {
    const [from = 0, to = 0] = (line.split(' ')[0] ?? '').split('-').map((at) => parseInt(at, 16));
    return to - from;
  });
}

describe('hardening: the init', function () {
  this.timeout(60_000);
  let shop: Workshop;

  before(async () => {
    shop = await Workshop.open();
  });

  after(() => shop.close());

  for (const userns of ['auto', 'host'] as const) {
    const { it: test } = userns === 'host' ? root : { it };
    test(`A5: the init has a filter of its own, no bounding set and no page but its outcome (userns ${userns})`, async () => {
      await using session: Session = await shop.session({
        userns,
        capAdd: ['SYS_PTRACE'],
        securityOpt: ['seccomp=unconfined'],
      });
      const pid = await session.pid(1);
      const status = await eventually(async () => {
        const now = await statusOf(pid);
        // What it does last, after the main program has begun.
        expect(now['NSsid']).to.match(/\t1$/);
        return now;
      });
      const { Seccomp, NoNewPrivs, CapBnd, CapPrm, CapEff, CapInh, CapAmb } = status;
      expect({ Seccomp, NoNewPrivs }).to.deep.equal({ Seccomp: '2', NoNewPrivs: '1' });
      const kill = (1n << CAP_KILL).toString(16).padStart(16, '0');
      const none = '0'.repeat(16);
      expect({ CapBnd, CapPrm, CapEff, CapInh, CapAmb }).to.deep.equal({
        CapBnd: none,
        CapPrm: kill,
        CapEff: kill,
        CapInh: none,
        CapAmb: none,
      });
      expect(sharedIn(await readFile(`/proc/${pid}/maps`, 'utf8'))).to.deep.equal([4096]);
    });
  }

  it('A5: a program finds the init confined from its first instruction on', async () => {
    for (let i = 0; i < 10; i++) {
      const { stdout } = await shop.engine.run(shop.busybox, [
        'grep',
        'Seccomp:',
        '/proc/1/status',
      ]);
      expect(stdout).to.equal('Seccomp:\t2\n');
    }
  });

  it('A5: a program that may trace the init finds nothing in it but the page for its outcome, from its first instruction on', async () => {
    for (let i = 0; i < 20; i++) {
      const { stdout } = await shop.engine.run(shop.busybox, ['cat', '/proc/1/maps'], {
        capAdd: ['SYS_PTRACE'],
        // Where the program begins before the init goes on.
        cpusetCpus: '0',
      });
      expect(sharedIn(stdout), stdout).to.deep.equal([4096]);
    }
  });

  const onX64 = process.arch === 'x64' ? it : skipping('this machine is not x64').it;
  onX64(
    'A5: code that a container puts into the init ends the container at its first system call',
    async () => {
      const result = await shop.engine.run('host', ['perl', '-e', TAKE_OVER], {
        capAdd: ['SYS_PTRACE'],
        timeout: 20_000,
      });
      expect({ code: result.exitCode, signal: result.signal }).to.deep.equal({
        code: 128 + 31,
        signal: 'SIGSYS',
      });
    },
  );

  it('C12: the init passes every signal on that can be held back, except SIGCHLD', async () => {
    const traps = SIGNALS.map((name) => `trap 'echo ${name}' ${name};`).join(' ');
    const execution = shop.engine.run(
      shop.busybox,
      [
        'sh',
        '-c',
        `${traps} echo ready; while :; do sleep 60 & wait $!; kill $! 2>/dev/null; done`,
      ],
      {},
    );
    let said = '';
    execution.stdout!.setEncoding('utf8').on('data', (text: string) => (said += text));
    try {
      await eventually(() => expect(said).to.include('ready\n'));
      for (const name of SIGNALS) {
        execution.kill(`SIG${name}`);
        await eventually(() => expect(said.split('\n')).to.include(name), 3000);
      }
    } finally {
      execution.kill();
      await execution;
    }
  });

  it('C12: a stop signal that tini would pass on reaches the program', async () => {
    const container = await shop.engine.create(
      shop.busybox,
      ['sh', '-c', 'trap "exit 7" WINCH; echo ready; while :; do sleep 0.05; done'],
      { stopSignal: 'WINCH', init: true },
    );
    try {
      await container.start();
      await untilLogged(container, 'ready');
      await container.stop({ timeout: 30 });
      expect((await container.inspect()).state.exitCode).to.equal(7);
    } finally {
      await container.remove({ force: true });
    }
  });
});
