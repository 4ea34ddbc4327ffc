/** Resource limits above and below those of the caller, and what an error says of a step. */
import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { isRoot } from '../../support/needs.js';
import { repository } from '../../support/paths.js';
import { skipping } from '../../support/skip.js';
import { Workshop } from '../../support/workshop.js';

const CAP_SYS_RESOURCE = 24n;
const effective = /^CapEff:\t(.*)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
const mayRaise = isRoot && ((BigInt(`0x${effective}`) >> CAP_SYS_RESOURCE) & 1n) === 1n;
const raising = mayRaise ? it : skipping('needs root with CAP_SYS_RESOURCE').it;
const refused = isRoot && !mayRaise ? it : skipping('needs root without CAP_SYS_RESOURCE').it;

describe('hardening: limits of processes', function () {
  this.timeout(60_000);
  let shop: Workshop;

  before(async () => {
    shop = await Workshop.open();
  });

  after(() => shop.close());

  /** `caisson` by a caller with these limits; what it prints. */
  const limited = (limits: readonly string[], ...args: readonly string[]) =>
    execFileSync(
      'prlimit',
      [
        ...[...limits, process.execPath, join(repository, 'bin/caisson')],
        ...['--data-root', shop.path('other'), '--run-root', shop.path('other-run'), ...args],
      ],
      { encoding: 'utf8' },
    ).trim();
  const SHOW = ['sh', '-c', 'ulimit -Sn; ulimit -Hn'];

  for (const userns of ['auto', 'host'])
    raising(`C26: root raises a limit above the caller’s hard one (userns ${userns})`, () => {
      const flags = ['--rm', '--userns', userns, '--ulimit', 'nofile=3000:4000'];
      const said = limited(['--nofile=500:2000'], 'run', ...flags, 'host', ...SHOW);
      expect(said).to.equal('3000\n4000');
    });

  raising('C26: a further program has the raised limit of its container', () => {
    const limits = ['--nofile=500:2000'];
    const flags = ['-d', '--name', 'raised', '--ulimit', 'nofile=3000:4000'];
    limited(limits, 'run', ...flags, 'host', 'sleep', '60');
    try {
      expect(limited(limits, 'exec', 'raised', ...SHOW)).to.equal('3000\n4000');
    } finally {
      limited(limits, 'rm', '-f', 'raised');
    }
  });

  refused(
    'C26: without CAP_SYS_RESOURCE a limit above the caller’s hard one is an error that says so',
    async () => {
      const own = Number(
        /^Max open files +\d+ +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1],
      );
      const error = await shop.engine
        .run(shop.busybox, ['true'], { ulimits: { nofile: { soft: 10, hard: own + 1 } } })
        .then(
          () => undefined,
          (reason: unknown) => reason as Error & { hint?: string },
        );
      expect(error?.message).to.include(`raise the hard limit RLIMIT_NOFILE to ${own + 1}`);
      expect(error?.hint).to.include('CAP_SYS_RESOURCE');
      expect(await shop.sh('ulimit -Sn', { ulimits: { nofile: 64 } })).to.equal('64');
    },
  );

  it('C26: the limit on open files is the caller’s, and not the one that Node has raised', () => {
    const script = `ulimit -Sn 700; ulimit -Hn 1900; "$@"; exit $?`;
    const said = execFileSync(
      'bash',
      [
        ...['-c', script, 'bash', process.execPath, join(repository, 'bin/caisson')],
        ...['--data-root', shop.path('other'), '--run-root', shop.path('other-run')],
        ...['run', '--rm', 'host', ...SHOW],
      ],
      { encoding: 'utf8' },
    );
    expect(said).to.equal('700\n1900\n');
  });

  it('C26: an error names no register of the launch program', async () => {
    const error = await shop.engine
      .run(shop.busybox, ['true'], { workdir: '/etc/passwd/inside' })
      .then(
        () => undefined,
        (reason: unknown) => reason as Error & { code: string },
      );
    expect(error?.code).to.equal('ERR_INVALID_WORKDIR');
    expect(error?.message).to.include('/etc/passwd').and.not.match(/\$\d/);
  });
});
