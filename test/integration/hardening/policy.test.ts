/** What the kernel is told to refuse to a container: system calls and paths. */
import { expect } from 'chai';
import { readdir } from 'node:fs/promises';

import { Workshop } from '../../support/workshop.js';

/** System call numbers by architecture, for perl: asm/unistd.h. */
const SYSCALL = {
  x64: { socketpair: 53, userfaultfd: 323, move_pages: 279 },
  arm64: { socketpair: 199, userfaultfd: 282, move_pages: 239 },
}[process.arch as 'x64' | 'arm64'];

const EPERM = 1;

describe('hardening: policy', function () {
  this.timeout(60_000);
  let shop: Workshop;

  before(async () => {
    shop = await Workshop.open();
  });

  after(() => shop.close());

  /** The errno of each system call, 0 for none, as perl sees them in one container. */
  const errors = async (calls: readonly string[], capAdd: readonly string[] = []) => {
    const script = calls.map((call) => `print syscall(${call}) < 0 ? $! + 0 : 0, "\\n";`).join('');
    const { stdout } = await shop.engine.run(
      'host',
      ['perl', '-e', `my $pair = "\\0" x 8; ${script}`],
      { capAdd },
    );
    return stdout.trim().split('\n').map(Number);
  };
  const pair = (family: string) => `${SYSCALL.socketpair}, ${family}, 1, 0, $pair`;

  it('A8: a socketpair of a family that no socket may have is refused, and a local one is not', async () => {
    // AF_UNIX; AF_VSOCK, AF_ALG and AF_TIPC, the second also with bits above the 32 that the kernel reads.
    const families = ['1', '40', '38', '0x100000026', '30'];
    expect(await errors(families.map(pair))).to.deep.equal([0, EPERM, EPERM, EPERM, EPERM]);
  });

  it('A8: CAP_SYS_PTRACE and CAP_SYS_NICE bring neither userfaultfd nor the moving of memory', async () => {
    const calls = [`${SYSCALL.userfaultfd}, 1`, `${SYSCALL.move_pages}, 0, 0, 0, 0, 0, 0`];
    expect(await errors(calls, ['SYS_PTRACE', 'SYS_NICE'])).to.deep.equal([EPERM, EPERM]);
  });

  it('A8: the thermal counters of every processor are masked where the machine has them', async () => {
    const cpus = (await readdir('/sys/devices/system/cpu')).filter((name) => /^cpu\d+$/.test(name));
    const paths = cpus.map((cpu) => `/sys/devices/system/cpu/${cpu}/thermal_throttle`);
    const seen = await shop.sh(`for d in ${paths.join(' ')}; do [ ! -d $d ] || ls -A $d; done`);
    expect(seen).to.equal('');
  });
});
