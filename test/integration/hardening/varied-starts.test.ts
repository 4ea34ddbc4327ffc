/** Starts that differ in arguments and environment, as all jobs do: one compiled template, and each has its own. */
import { statSync } from 'node:fs';
import { chmod, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { expect } from 'chai';
import { newId } from '../../../lib/base/ids.js';
import type { RunOptions } from '../../../lib/engine/options/options.js';
import { prepare, recall } from '../../../lib/engine/start/prepare.js';
import { refused } from '../../support/detached.js';
import { isRoot } from '../../support/needs.js';
import { eventually } from '../../support/outside.js';
import { Workshop } from '../../support/workshop.js';
import { skip } from '../../support/skip.js';

describe('hardening: varied starts', () => {
  let shop: Workshop;

  before(async () => {
    shop = await Workshop.open();
    await mkdir(shop.path('volume'));
    await mkdir(shop.path('vanishing'));
  });
  after(() => shop.close());

  /** What the native machine is handed, which is made when a program was compiled. */
  async function templateOf(argv: readonly string[], options: RunOptions): Promise<unknown> {
    const prepared = await prepare(shop.context, newId(), shop.busybox, argv, options);
    prepared.release();
    return prepared.template;
  }

  it('C8: a start whose arguments or environment differ from the last uses the same compiled template', async function () {
    if (!isRoot) skip(this, 'needs root: a user’s starts are compiled anew');
    for (const options of [
      { memory: '64m' },
      { memory: '64m', volumes: [`${shop.path('volume')}:/v`] },
      { tmpfs: ['/t'] },
    ]) {
      const first = await templateOf(['true'], options);
      expect(await templateOf(['echo', 'another'], options)).to.equal(first);
      expect(await templateOf(['true'], { ...options, env: { JOB: '1' } })).to.equal(first);
      expect(await templateOf(['true'], { ...options, env: process.env })).to.equal(first);
      expect(await templateOf(['true'], { ...options, cpuShares: 3 })).to.not.equal(first);
    }
  });

  it('C8: each of many starts at once has its own arguments, environment and name', async () => {
    const script =
      'echo "$0 $JOB $HOSTNAME $HOME $(tr "\\0" "\\n" </proc/1/environ | grep -c JOB=)"';
    const runs = Array.from({ length: 24 }, (_, job) =>
      shop.engine.run(shop.busybox, ['sh', '-c', script, `argument-${job}`], {
        init: false,
        env: job % 2 === 0 ? { JOB: `job-${job}` } : [`JOB=job-${job}`, 'HOSTNAME=mine'],
      }),
    );
    for (const [job, run] of runs.entries()) {
      const { id, stdout } = await run;
      const name = job % 2 === 0 ? id.slice(0, 12) : 'mine';
      expect(stdout).to.equal(`argument-${job} job-${job} ${name} /root 1\n`);
    }
  });

  it('C8: a caller that goes on to change its arguments or environment changes no start', async () => {
    const argv = ['sh', '-c', 'echo "$0 $JOB"', 'first'];
    const env: Record<string, string> = { JOB: 'first' };
    const said: string[] = [];
    for (const word of ['second', 'third', 'third']) {
      const run = shop.engine.run(shop.busybox, argv, { env });
      argv[3] = env['JOB'] = word;
      said.push((await run).stdout.trim());
    }
    // The very first is looked up, and may see the change; what follows is as it was said.
    expect(said.slice(1)).to.deep.equal(['second second', 'third third']);
  });

  it('C8: a start with binds that was seen before takes one look at all of them, and finds what has changed', async function () {
    if (!isRoot) skip(this, 'needs root: a user’s starts are compiled anew');
    const place = shop.path('seen/below');
    await mkdir(place, { recursive: true });
    await writeFile(shop.path('file'), 'one');
    await symlink('file', shop.path('link'));
    const options: RunOptions = {
      volumes: [`${place}:/v`, `${shop.path('link')}:/f`, `${place}:/r:ro`],
    };
    const again = () => recall(shop.context, newId(), shop.busybox, ['true'], options);
    const run = (script: string) => shop.sh(script, options);
    const ownerOf = async (name: string) => {
      await run(`touch /v/${name}`);
      return statSync(`${place}/${name}`).uid;
    };
    await chmod(place, 0o777);
    // A look at the root directory is good for a second, which a busy machine may need for a run.
    const known = await eventually(async () => {
      expect(await ownerOf('alone')).to.equal(0);
      const found = again();
      expect(found).to.be.a('promise');
      return found;
    });
    known?.release();
    // The directory above can now be reached by others, and then no longer.
    await chmod(shop.directory, 0o755);
    expect(await ownerOf('reached')).to.equal(65_534);
    expect(await ownerOf('reached-again')).to.equal(65_534);
    await chmod(shop.path('seen'), 0o700);
    expect(await ownerOf('closed')).to.equal(0);
    await chmod(shop.directory, 0o700);
    // A link that leads elsewhere.
    await writeFile(shop.path('other'), 'two');
    await rm(shop.path('link'));
    await symlink('other', shop.path('link'));
    expect(await run('cat /f')).to.equal('two');
    await rm(place, { recursive: true });
    await refused(shop.engine.run(shop.busybox, ['true'], options), 'ERR_NO_SUCH_SOURCE');
    await mkdir(place);
    expect(await run('ls /v /r')).to.equal('/r:\n\n/v:');
  });

  it('C8: errors, explanations and checks are those of the start at hand', async () => {
    const missing = await refused(
      shop.engine.run(shop.busybox, ['no-such-program']),
      'ERR_COMMAND_NOT_FOUND',
    );
    expect(missing.message).to.include('no-such-program');
    expect(await shop.engine.explain(shop.busybox, ['echo', 'now'], { env: ['A=b'] })).to.match(
      /execve echo now/,
    );
    for (const [argv, options] of [
      [['a\0b'], {}],
      [['true'], { env: ['=x'] }],
      [[], {}],
    ] as const)
      await refused(shop.engine.run(shop.busybox, argv, options), 'ERR_INVALID_OPTION');
    await refused(
      shop.engine.run(shop.busybox, ['true', 'x'.repeat(9 << 20)]),
      'ERR_INVALID_PROGRAM',
    );
    expect((await shop.engine.run(shop.busybox, ['echo', 'still']).then()).stdout).to.equal(
      'still\n',
    );
    const options = { volumes: [`${shop.path('vanishing')}:/v`] };
    expect((await shop.engine.run(shop.busybox, ['true'], options)).exitCode).to.equal(0);
    await rm(shop.path('vanishing'), { recursive: true });
    await refused(shop.engine.run(shop.busybox, ['ls'], options), 'ERR_NO_SUCH_SOURCE');
  });
});
