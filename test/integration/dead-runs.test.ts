/** What test runs that were killed have left is removed by the next one (test/support/dead-runs.ts). */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { emptyCgroups, removeDeadRuns, testCgroupName } from '../support/dead-runs.js';
import { setUpFreshDirectory } from '../support/fresh-directory.js';
import { processesIn } from '../support/leftovers.js';
import { needsRoot } from '../support/needs.js';
import { eventually, type Hierarchy, hierarchies } from '../support/outside.js';

const root = needsRoot('cgroups of one’s own choice');

root.describe('cgroups of tests', () => {
  let all: Hierarchy[] = [];
  const cgroups: string[] = [];
  const children: ChildProcess[] = [];
  let directory = '';
  setUpFreshDirectory((path) => (directory = path));

  before(async () => {
    all = await hierarchies();
  });

  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    await emptyCgroups(cgroups.splice(0));
  });

  /** In each hierarchy one with that name, with one below it; a process is in the one below where that needs no files to be filled in. */
  async function make(name: string): Promise<ChildProcess> {
    const child = spawn('sleep', ['1000'], { stdio: 'ignore' });
    children.push(child);
    await once(child, 'spawn');
    for (const { mountPoint, controllers } of all) {
      const cgroup = join(mountPoint, name);
      cgroups.push(cgroup);
      mkdirSync(join(cgroup, 'below'), { recursive: true });
      if (!controllers.includes('cpuset'))
        writeFileSync(join(cgroup, 'below/cgroup.procs'), String(child.pid));
      if (controllers.includes('freezer'))
        writeFileSync(join(cgroup, 'below/freezer.state'), 'FROZEN');
    }
    return child;
  }

  it('The next run kills what is in cgroups of a run that was killed, and removes them', async () => {
    const run = spawn('sleep', ['1000'], { stdio: 'ignore' });
    await once(run, 'spawn');
    const of = (pid: number, start: string) => `caisson-test-${pid}-${start}-0`;
    // As if its pid were another process's by now.
    const child = await make(of(run.pid!, '1'));
    const living = await make(testCgroupName());
    run.kill('SIGKILL');
    await once(run, 'exit');
    const another = await make(of(run.pid!, '2'));
    await removeDeadRuns();
    const left = cgroups.filter((cgroup) => existsSync(cgroup));
    expect(left).to.have.length(all.length);
    expect(left.every((cgroup) => cgroup.includes(`-${process.pid}-`))).to.equal(true);
    await eventually(() => {
      expect(child.signalCode).to.equal('SIGKILL');
      expect(another.signalCode).to.equal('SIGKILL');
    });
    expect(living.signalCode).to.equal(null);
    const members = await Promise.all(left.map((cgroup) => processesIn(join(cgroup, 'below'))));
    expect(members.flat()).to.include(living.pid);
  });

  it('A cgroup that cannot be emptied is a failure that says what is left', async () => {
    writeFileSync(join(directory, 'file'), '');
    const message = await emptyCgroups([directory], 20).then(
      () => 'emptied',
      (error: unknown) => String(error),
    );
    expect(message).to.include(`${directory} cannot be emptied`).and.include('ENOTEMPTY');
  });
});
