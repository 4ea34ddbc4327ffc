/** What one container leaves on the disk keeps no other waiting. */
import { existsSync } from 'node:fs';
import { expect } from 'chai';
import { needsRoot } from '../../support/needs.js';
import { eventually } from '../../support/outside.js';
import { refused } from '../../support/detached.js';
import { Workshop } from '../../support/workshop.js';

/** Enough that removing them takes far longer than a start does. */
const MANY = 20_000;

const root = needsRoot('the engine’s own threads, which undo only what root has started');

describe('hardening: order of teardowns', () => {
  let shop: Workshop;

  before(async () => {
    shop = await Workshop.open();
  });
  after(() => shop.close());

  const directoryOf = (id: string) => shop.path('data/containers', id);
  /** Ends and leaves a tree that is still being removed; its directory. */
  const leaveMany = async () => {
    const make = `mkdir /many && cd /many && seq ${MANY} | xargs touch`;
    const { id, exitCode } = await shop.engine.run(shop.busybox, ['sh', '-c', make]);
    expect(exitCode).to.equal(0);
    return directoryOf(id);
  };

  root.it(
    'B5: a failing start is told while a container with many files is still being removed',
    async function () {
      this.timeout(120_000);
      const many = await leaveMany();
      const failing = shop.engine.run(shop.busybox, ['no-such-program']);
      await refused(failing, 'ERR_COMMAND_NOT_FOUND');
      expect(existsSync(directoryOf(failing.id)), 'what failed').to.equal(false);
      expect(existsSync(many), 'the many files, which a failing start did not wait for').to.equal(
        true,
      );
    },
  );

  root.it(
    'B5: a small tree is removed before a large one of a container that ended earlier',
    async function () {
      this.timeout(120_000);
      const large = await leaveMany();
      const { id } = await shop.engine.run(shop.busybox, ['touch', '/one']);
      await eventually(() => expect(existsSync(directoryOf(id))).to.equal(false));
      expect(existsSync(large), 'the large one').to.equal(true);
      await eventually(() => expect(existsSync(large)).to.equal(false));
    },
  );
});
