/** What a container's output costs beside the container: processor time of its supervisor. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect } from 'chai';
import { repository } from '../../support/paths.js';
import {
  type DetachedContainers,
  supervisorOf,
  untilStatus,
  setUpDetached,
} from '../../support/detached.js';
import { needsControllers } from '../../support/needs.js';
import { eventually, processorTime, sleep } from '../../support/outside.js';
import type { Workshop } from '../../support/workshop.js';

const limits = needsControllers('cpu');

describe('what logging costs', function () {
  this.timeout(60_000);
  let shop: Workshop;
  let detached: DetachedContainers;

  setUpDetached((made) => ({ shop, detached } = made));

  limits.it(
    'B4: the supervisor spends no more processor time on a container’s output than the container may use',
    async () => {
      const container = await detached.start(['yes'], { cpus: 0.05 });
      const supervisor = await supervisorOf(container);
      // What was saved up before the first line is gone.
      await eventually(async () => expect(await processorTime(supervisor)).to.be.above(0.01));
      const [before, began] = [await processorTime(supervisor), performance.now()];
      await sleep(1500); // the time that is measured
      const seconds = (performance.now() - began) / 1000;
      const share = ((await processorTime(supervisor)) - before) / seconds;
      expect(share, 'processors').to.be.within(0.002, 0.1);

      // It hears what is asked of it all the same, and takes another limit at once.
      await container.update({ cpus: 0.5 });
      const raised = await processorTime(supervisor);
      await eventually(async () =>
        expect(await processorTime(supervisor)).to.be.above(raised + 0.05),
      );
      await container.kill();
      await untilStatus(container, 'exited');
    },
  );

  it('C21: `logs -t` stamps each line of each stream once, and `--tail` gives whole lines, where the streams interleave', async () => {
    // Pieces of lines are in the log on their own when the program pauses.
    const container = await detached.start(
      'printf "one "; sleep 0.3; echo error >&2; sleep 0.3; echo line; echo next',
    );
    await container.wait();
    const entries: string[] = [];
    for await (const { stream, bytes } of container.logs())
      entries.push(`${stream} ${bytes.toString()}`);
    expect(entries).to.have.length(4);
    const roots = ['--data-root', shop.path('data'), '--run-root', shop.path('run')];
    const logs = (...args: string[]) => {
      const command = [...roots, 'logs', ...args, container.id];
      const { stdout, stderr } = spawnSync(join(repository, 'bin/caisson'), command, {
        encoding: 'utf8',
      });
      return [stdout, stderr].map((text) => text.replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'T'));
    };
    expect(logs('-t')).to.deep.equal(['T one line\nT next\n', 'T error\n']);
    expect(logs('--tail', '2')).to.deep.equal(['one line\nnext\n', '']);
    expect(logs('--tail', '3')).to.deep.equal(['one line\nnext\n', 'error\n']);
  });

  it('B4: all lines of one read have one time stamp, and none is lost', async () => {
    const container = await detached.start(['seq', '20000']);
    await container.wait();
    const stamps = new Set<string>();
    let expected = 1;
    for await (const { bytes, time } of container.logs()) {
      expect(bytes.toString()).to.equal(`${expected++}\n`);
      stamps.add(time);
    }
    expect(expected).to.equal(20_001);
    expect(stamps.size).to.be.below(2000);
  });
});
