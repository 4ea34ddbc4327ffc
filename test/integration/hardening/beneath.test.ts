/** Volumes whose source others can change: a directory of theirs, beneath which the kernel resolves it. */
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import type { RunOptions } from '../../../lib/engine/options/options.js';
import { CaissonError } from '../../../lib/base/errors.js';
import { refused } from '../../support/detached.js';
import { Workshop } from '../../support/workshop.js';

describe('sources beneath a directory', function () {
  this.timeout(60_000);
  let shop: Workshop;
  let jobs: string;

  before(async () => {
    shop = await Workshop.open();
    jobs = shop.path('jobs');
    mkdirSync(`${jobs}/one/data`, { recursive: true });
    writeFileSync(`${jobs}/one/data/file`, 'of one\n');
    mkdirSync(shop.path('secret/data'), { recursive: true });
    writeFileSync(shop.path('secret/data/file'), 'secret\n');
    symlinkSync('one', `${jobs}/inside`);
    symlinkSync(shop.path('secret'), `${jobs}/outside`);
    symlinkSync('../secret', `${jobs}/above`);
  });
  after(() => shop.close());

  const run = (options: RunOptions) => shop.engine.run(shop.busybox, ['cat', '/in/file'], options);
  const volume = (name: string, more = '') => ({
    volumes: [`${jobs}/${name}/data:/in:ro,beneath=${jobs}${more}`],
  });

  it('B7: a source that stays beneath its directory is mounted, through links too', async () => {
    expect((await run(volume('one'))).stdout).to.equal('of one\n');
    expect((await run(volume('inside', '/'))).stdout).to.equal('of one\n');
    const mount = {
      type: 'bind',
      source: `${jobs}/one/data`,
      target: '/in',
      within: jobs,
    } as const;
    expect((await run({ mounts: [mount] })).stdout).to.equal('of one\n');
    const itself = { ...mount, within: mount.source };
    expect((await run({ mounts: [itself] })).stdout).to.equal('of one\n');
    expect(await shop.engine.explain(shop.busybox, ['true'], { mounts: [mount] })).to.match(
      /open_tree \$\d+:\/?one\/data/,
    );
  });

  it('B7: a source that leads out of its directory is refused', async () => {
    for (const name of ['outside', 'above']) {
      const error = await refused(run(volume(name)), 'ERR_INVALID_OPTION');
      expect(error.message).to.match(/leads out of/);
      // It is what the option is for.
      const plain = { volumes: [`${jobs}/${name}/data:/in:ro`] };
      expect((await run(plain)).stdout).to.equal('secret\n');
    }
    for (const volumes of [
      [`${jobs}/one/data:/in:beneath=relative`],
      [`${jobs}/one/data:/in:beneath=`],
      [`${jobs}/one/data:/in:beneath=/nowhere`],
      [`${jobs}/one/../../secret/data:/in:beneath=${jobs}`],
      [`${jobs}/one/data:/in:beneath=${jobs},beneath=${jobs}`],
    ])
      await refused(run({ volumes }), 'ERR_INVALID_OPTION');
  });

  it('B7: a source that is exchanged for a link during the start is not followed', async () => {
    // The engine has looked; then, until the kernel resolves it, another process exchanges it again and again.
    const [turning, other] = [`${jobs}/turning`, `${jobs}/other`];
    mkdirSync(`${turning}/data`, { recursive: true });
    writeFileSync(`${turning}/data/file`, 'harmless\n');
    symlinkSync(shop.path('secret'), other);
    const seen = new Map<string, number>();
    for (let round = 0; round < 12; round++) {
      const going = run(volume('turning')).then(
        ({ stdout }) => stdout,
        (error: unknown) => (error instanceof CaissonError ? error.code : String(error)),
      );
      for (let turn = 0; turn < 40; turn++) {
        renameSync(turning, `${jobs}/t`);
        renameSync(other, turning);
        renameSync(`${jobs}/t`, other);
        await new Promise(setImmediate);
        renameSync(turning, `${jobs}/t`);
        renameSync(other, turning);
        renameSync(`${jobs}/t`, other);
        await new Promise(setImmediate);
      }
      const got = await going;
      seen.set(got, (seen.get(got) ?? 0) + 1);
    }
    rmSync(other);
    expect([...seen.keys()]).not.to.include('secret\n');
  });
});
