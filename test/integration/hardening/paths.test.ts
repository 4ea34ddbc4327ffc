/** The directories that the engine works in, and the file that all of its processes append to. */
import { appendFileSync, chmodSync, chownSync, existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { expect } from 'chai';
import { Engine } from '../../../lib/engine/engine.js';
import { EVENT_FILE_SIZE } from '../../../lib/engine/store/event-log.js';
import {
  type DetachedContainers,
  refused,
  untilStatus,
  setUpDetached,
} from '../../support/detached.js';
import { isRoot } from '../../support/needs.js';
import { eventually } from '../../support/outside.js';
import type { Workshop } from '../../support/workshop.js';

describe('data and run directories', function () {
  this.timeout(60_000);
  let shop: Workshop;
  let detached: DetachedContainers;

  setUpDetached((made) => ({ shop, detached } = made));

  it('B7: a data or run root that is a link, another user’s, or writable for others is refused', async () => {
    const own = shop.path('own');
    mkdirSync(own, { mode: 0o700 });
    const made: Record<string, (path: string) => void> = {
      'a link': (path) => symlinkSync(own, path),
      'a link to nothing that is there': (path) => symlinkSync(shop.path('nothing'), path),
      'writable for all': (path) => {
        mkdirSync(path);
        chmodSync(path, 0o1777);
      },
      'writable for a group': (path) => {
        mkdirSync(path);
        chmodSync(path, 0o770);
      },
    };
    if (isRoot) {
      made['another user’s'] = (path) => {
        mkdirSync(path);
        chownSync(path, 65534, 65534);
      };
    }
    let count = 0;
    for (const [what, make] of Object.entries(made)) {
      for (const which of ['dataRoot', 'runRoot'] as const) {
        const path = shop.path(`bad-${count++}`);
        make(path);
        const roots = { dataRoot: shop.path('own/data'), runRoot: shop.path('own/run') };
        const opened = Engine.open({ ...roots, [which]: path });
        const error = await refused(opened, 'ERR_NO_PRIVILEGES').catch(async (failure: unknown) => {
          await (await opened).close();
          throw new Error(`${which}, ${what}`, { cause: failure });
        });
        expect(error.path, what).to.equal(path);
      }
    }
    expect(existsSync(shop.path('nothing'))).to.equal(false);
  });

  it('B7: the events file is rotated by the supervisor that has made it too large', async () => {
    const container = await detached.start('trap "exit 0" TERM; while :; do sleep 0.05; done');
    const events = shop.path('run/events');
    // A rotation that was under way when its process was killed is no reason not to.
    symlinkSync('1 1 00000000-0000-0000-0000-000000000000', `${events}.rotating`);
    const line = `${'x'.repeat(1023)}\n`;
    appendFileSync(events, line.repeat(EVENT_FILE_SIZE / line.length));
    // Only the supervisor reports anything now: of its end, and of the health of nothing.
    const { pid } = (await container.inspect()).state;
    process.kill(pid, 'SIGTERM');
    await untilStatus(container, 'exited');
    await eventually(() => expect(existsSync(`${events}.rotating`)).to.equal(false));
    const next = await detached.start('trap "exit 0" TERM; while :; do sleep 0.05; done');
    const before = (await stat(`${events}.1`)).size;
    expect(before).to.be.at.least(EVENT_FILE_SIZE);

    appendFileSync(events, line.repeat(EVENT_FILE_SIZE / line.length));
    process.kill((await next.inspect()).state.pid, 'SIGTERM');
    await untilStatus(next, 'exited');
    await eventually(() => expect(existsSync(events), 'a file that is too large').to.equal(false));
    const last = (await readFile(`${events}.1`, 'utf8')).trimEnd().split('\n').at(-1);
    expect(JSON.parse(last!)).to.include({ action: 'die', id: next.id });
  });
});
