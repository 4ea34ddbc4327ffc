/** Two names that change places all the time, as a container with the same root could make them do. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect } from 'chai';

/** asm/unistd.h, for perl. */
const RENAMEAT2 = { x64: 316, arm64: 276 }[process.arch as 'x64' | 'arm64'];
const SCRIPT =
  '$| = 1; print "racing\\n"; while (1) {' +
  `syscall(${RENAMEAT2}, -100, $ARGV[0], -100, $ARGV[1], 2) == 0 or die "$!" }`;

/** Until it is disposed of. */
export async function exchange(one: string, other: string): Promise<AsyncDisposable> {
  const child = spawn('perl', ['-e', SCRIPT, one, other], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return {
    async [Symbol.asyncDispose]() {
      expect(child.exitCode, 'the racer has stopped').to.equal(null);
      child.kill('SIGKILL');
      await once(child, 'close');
    },
  };
}
