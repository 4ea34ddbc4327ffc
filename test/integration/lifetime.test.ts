/** Who outlives whom: environments, workers, listeners, the cleanup helper, Node. Each in a process of its own. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { Engine } from '../../lib/engine/engine.js';
import { needsRoot } from '../support/needs.js';
import { eventually, processesOf, tracesOf } from '../support/outside.js';
import { slowness } from '../support/slowness.js';
import { Workshop } from '../support/workshop.js';

const execute = promisify(execFile);

const root = needsRoot(
  'a user’s containers have supervisors, and neither launchers nor a cleanup helper',
);

root.describe('lifetime', function () {
  this.timeout(60_000);
  let shop: Workshop;

  before(async () => {
    shop = await Workshop.open();
  });

  after(() => shop.close());

  /** The JSON that a program of test/support/programs writes last, and how it ended. */
  const run = async (program: string, ...extra: string[]) => {
    const path = fileURLToPath(new URL(`../support/programs/${program}.js`, import.meta.url));
    const roots = [shop.path('busybox'), shop.path(program, 'data'), shop.path(program, 'run')];
    const ended = await execute(process.execPath, [path, ...roots, ...extra], {
      timeout: 50_000 * slowness,
      killSignal: 'SIGKILL',
      // Memory that is not initialized is never zero (mallopt(3)).
      env: { ...process.env, MALLOC_PERTURB_: '165' },
    }).catch((error: unknown) => error as { stdout: string; stderr: string; signal: string });
    const signal = 'signal' in ended ? ended.signal : undefined;
    const last = ended.stdout.trim().split('\n').at(-1) ?? '';
    expect(last, `${program}: ${signal}\n${ended.stderr}`).to.match(/^["{]/);
    return { signal, said: JSON.parse(last) as unknown };
  };

  it('A listener that throws is uncaught, and misses nothing', async () => {
    const { said } = await run('throwing-listener');
    const { events, ended, uncaught, stdout } = said as {
      events: string[];
      ended: boolean;
      uncaught: string[];
      stdout: string;
    };
    expect(events).to.include.members(['started', 'data', 'exited', 'gone']);
    expect(ended).to.equal(true);
    expect(events.at(-1)).to.equal('gone');
    expect(uncaught).to.deep.equal(events);
    expect(stdout).to.equal('and again\n');
  });

  it('A worker may be terminated at any moment: its containers end with it', async () => {
    const { said } = await run('terminated-workers');
    expect(said).to.equal('nothing left');
  });

  it('A worker that is terminated before it calls the addon gets no promise, and ends', async () => {
    const { said } = await run('terminated-calls');
    expect(said).to.equal('readBelow treeSize netlink compileSeccomp');
  });

  it('A cleanup helper that was killed comes back with the next start, for all containers', async () => {
    const { signal, said } = await run('kills-cleanup-helper', 'init', 'another cleanup helper');
    const { ids, guards } = said as { ids: string[]; guards: number };
    expect(signal).to.equal('SIGKILL');
    expect(guards).to.equal(1);
    expect(ids).to.have.length(2);
    for (const id of ids) {
      await eventually(async () => {
        expect(await tracesOf(id, shop.path('kills-cleanup-helper', 'data'))).to.deep.equal([]);
      });
    }
  });

  for (const init of ['init', 'no init']) {
    it(`Containers die with Node even without a cleanup helper (${init})`, async () => {
      const { signal, said } = await run('kills-cleanup-helper', init);
      const { ids, guards } = said as { ids: string[]; guards: number };
      expect(signal).to.equal('SIGKILL');
      expect(guards).to.equal(0);
      const id = ids[0]!;
      await eventually(async () => expect(await processesOf(id)).to.deep.equal([]));
      // The next process that opens an engine there cleans up.
      const dataRoot = shop.path('kills-cleanup-helper', 'data');
      expect(await tracesOf(id, dataRoot)).not.to.deep.equal([]);
      await using engine = await Engine.open({
        dataRoot,
        runRoot: shop.path('kills-cleanup-helper', 'run'),
      });
      expect(engine.dataRoot).to.equal(dataRoot);
      expect(await tracesOf(id, dataRoot)).to.deep.equal([]);
    });
  }
});
