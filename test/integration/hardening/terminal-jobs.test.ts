/** The end of a program that exec has given a terminal. */
import { expect } from 'chai';
import { type DetachedContainers, setUpDetached } from '../../support/detached.js';
import { eventually } from '../../support/outside.js';

describe('a terminal of exec', () => {
  let detached: DetachedContainers;
  setUpDetached((made) => (detached = made.detached));

  for (const detachable of [false, true]) {
    it(`C16: a terminal ends with its shell, with all that was written, whatever jobs are left (detachable: ${detachable})`, async () => {
      const container = await detached.start(['sleep', '1000']);
      const job = "trap '' HUP; echo $$ >/tmp/job; while sleep 0.05; do echo job || exit; done";
      const shell = `sh -c "${job.replaceAll('$', '\\$')}" & until [ -s /tmp/job ]; do sleep 0.02; done; seq 1 2000; exit 7`;
      const begun = performance.now();
      const execution = container.exec(['sh', '-c', shell], { tty: true, detachable });
      const { exitCode, stdout } = await execution;
      expect(exitCode).to.equal(7);
      expect(stdout).to.include('\r\n1999\r\n2000\r\n');
      expect(performance.now() - begun).to.be.below(10_000);
      // The job had the terminal hung up, and learns of it when it writes.
      await eventually(async () => {
        const gone = await container.exec(['sh', '-c', 'kill -0 $(cat /tmp/job) 2>/dev/null']);
        expect(gone.exitCode).to.equal(1);
      });
    });
  }
});
