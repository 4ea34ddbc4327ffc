/** Verbs of detached containers that undid more than they were asked for. */
import { expect } from 'chai';
import {
  type DetachedContainers,
  supervisorOf,
  logOf,
  statusIs,
  setUpDetached,
} from '../../support/detached.js';
import { eventually } from '../../support/outside.js';

describe('verbs of detached containers', function () {
  this.timeout(60_000);
  let detached: DetachedContainers;

  setUpDetached((made) => (detached = made.detached));

  it('C17: a container that is removed when it exits stays when it is restarted, and goes at its own end', async () => {
    const container = await detached.start(
      'echo run >> /runs; trap "exit 0" TERM; echo ready; while :; do sleep 0.05; done',
      { autoRemove: true, name: 'staying' },
    );
    const ready = (runs: number) =>
      eventually(async () => expect(await logOf(container)).to.equal('ready\n'.repeat(runs)));
    await ready(1);
    for (let runs = 2; runs <= 3; runs++) {
      const before = await supervisorOf(container);
      await container.restart({ timeout: 5 });
      await statusIs(container, 'running');
      expect(await supervisorOf(container)).not.to.equal(before);
      await ready(runs);
      const { stdout } = await container.exec(['cat', '/runs']);
      expect(stdout).to.equal('run\n'.repeat(runs));
      expect((await container.inspect()).config).to.include({ name: 'staying', autoRemove: true });
    }
    await container.stop();
    await detached.expectGone(container);
  });
});
