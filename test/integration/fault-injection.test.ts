/**
 * Undo: whatever fails or is killed, and at whichever step of a start, the host is afterwards as it was.
 * Each step of the launch programs is made to fail in turn, which only the Debug addon can do. An addon is
 * loaded once per process, so these tests run child processes with `CAISSON_NATIVE`.
 */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { hasSelinux } from '../../lib/host/selinux.js';
import { Engine, rootfs } from '../../lib/index.js';
import type { Fault } from '../../lib/program/encode.js';
import { OPCODES } from '../../lib/program/instructions.js';
import {
  cleanupHelperOf,
  networkTraces,
  openDescriptors,
  processesIn,
  untilNothing,
  unusedParents,
  warmLaunchers,
} from '../support/leftovers.js';
import { NetworkNamespace } from '../support/network-namespace.js';
import { needsRoot } from '../support/needs.js';
import { each, ProcessHarness } from '../support/process-harness.js';
import {
  cgroupOf,
  cgroupsOf,
  eventually,
  hierarchies,
  processesOf,
  tracesOf,
} from '../support/outside.js';
import { bundledFixture, debugNative, fixture } from '../support/paths.js';
import { count, sample } from '../support/sample.js';
import { makeBusybox } from '../support/workshop.js';
import type {
  KilledCallerBegins,
  KilledCallerRuns,
  KilledCallerTask,
} from './fixtures/killed-caller.js';
import type { EachStepReport, EachStepTask } from './fixtures/each-step.js';
import {
  STARTS,
  type StartName,
  type StepAddress,
  stepsOf,
  type Where,
} from './fixtures/starts.js';

const startNames = (Object.keys(STARTS) as StartName[]).filter(
  (name) => name !== 'helped' || helpable(),
);

/** What is to stand beside it can be started. */
function helpable(): boolean {
  return existsSync('/usr/bin/slirp4netns') && existsSync('/dev/net/tun');
}

/** Steps that no start needs yet. */
const UNUSED = new Set(['none', 'mount.readonly']);

const root = needsRoot(
  'a user’s containers have supervisors (rootless.test.ts), and no cleanup helper',
);

root.describe('fault injection', function () {
  // A hundred processes in some tests, with the processor time that other tests leave (scripts/test).
  this.timeout(600_000);
  let directory: string;
  /** Of all processes that a test starts: there are bridges only in it, of one data root. */
  let namespace: NetworkNamespace;
  const harnesses: ProcessHarness[] = [];

  const path = (...names: string[]) => join(directory, ...names);

  /** Each task has an engine's directories of its own: an engine that opens cleans up after dead ones. */
  const where = (name: string): Where => ({
    dataRoot: path(name, 'data'),
    runRoot: path(name, 'run'),
    busybox: path('busybox'),
    volume: path('volume'),
  });

  const harness = async (
    program: string,
    task: unknown,
    mounts?: Parameters<typeof ProcessHarness.start>[3],
  ): Promise<ProcessHarness> => {
    const env = { CAISSON_NATIVE: debugNative };
    const { within } = namespace;
    const child = await ProcessHarness.start(program, task, env, mounts, within);
    harnesses.push(child);
    return child;
  };

  const programOf = async (start: StartName, roots: Where): Promise<StepAddress[]> => {
    await using engine = await Engine.open(roots);
    return await stepsOf(engine, STARTS[start](roots));
  };

  before(async () => {
    if (!existsSync(join(debugNative, 'caisson.node'))) {
      throw new Error(`${debugNative} is missing: build it with scripts/build-native --debug`);
    }
    directory = await mkdtemp(join(tmpdir(), 'caisson-undo-'));
    await mkdir(path('volume'));
    makeBusybox(path('busybox'));
    // One that comes to its end, so that the others find compiled code (test/support/code-cache.ts).
    const task: KilledCallerTask = { ...where('first'), start: 'plain' };
    const env = { CAISSON_NATIVE: debugNative };
    const child = await ProcessHarness.start(bundledFixture('killed-caller'), task, env);
    harnesses.push(child);
    expect((await child.ended).code).to.equal(0);
    await child.gone();
  });

  after(async () => {
    await Promise.all(harnesses.map((child) => child.cleanUp()));
    await rm(directory, { recursive: true, force: true });
  });

  beforeEach(async () => {
    namespace = await NetworkNamespace.make();
  });
  afterEach(() => namespace.end());

  describe('a start in which Node lives', () => {
    for (const action of ['fail', 'kill-init'] as const) {
      for (const [i, start] of startNames.entries()) {
        it(`${action} at each step of "${start}" leaves nothing`, async () => {
          const task: EachStepTask = {
            ...where(`${action}-${start}`),
            start,
            action,
            from: action === 'fail' ? i : i + 2,
          };
          const child = await harness(fixture('each-step'), task, 'own');
          const { steps, taken, complaints } = await child.next<EachStepReport>();
          await child.gone();
          count(taken, steps.length);
          // Every one of them: v2 needs fewer than v1, which has a cgroup for each controller.
          expect(steps).to.have.length.above(70);
          expect(complaints, complaints.join('\n')).to.have.length(0);
        });
      }
    }

    for (const action of ['fail', 'kill-init'] as const) {
      it(`${action} at each step of a start that joins another container leaves nothing, and the other one runs on`, async () => {
        const task: EachStepTask = {
          ...where(`${action}-joining`),
          start: 'plain',
          action,
          joins: true,
          from: action === 'fail' ? 1 : 2,
        };
        const child = await harness(fixture('each-step'), task, 'own');
        const { steps, taken, complaints } = await child.next<EachStepReport>();
        await child.gone();
        count(taken, steps.length);
        expect(steps.map(({ op }) => op)).to.include.members([
          'process.open',
          'tree.join',
          'ns.join',
        ]);
        expect(complaints, complaints.join('\n')).to.have.length(0);
      });
    }

    it('The starts cover every step that there is', async () => {
      const seen = new Set<string>();
      for (const start of startNames) {
        for (const { op } of await programOf(start, where(`explain-${start}`))) seen.add(op);
      }
      // What only an exec does fails in exec.test.ts.
      const elsewhere = ['process.open', 'ns.join'];
      // Of a teardown alone.
      elsewhere.push(
        'cgroup.remove',
        'process.end',
        'claim.release',
        'volume.remove',
        'layers.release',
        'tree.remove',
        'netlink.save',
      );
      if (!helpable()) elsewhere.push('helper.start');
      if (!existsSync('/sys/kernel/security/apparmor') && !hasSelinux())
        elsewhere.push('label.set');
      // Reading a container's account files makes nothing (accounts.test.ts); a hard limit above that of the tests
      // themselves takes a right that root has not everywhere (limits.test.ts). Both in hardening.
      elsewhere.push('files.send', 'rlimit.raise');
      // A layer that is kept is mounted from a file: quota.test.ts, in hardening.
      elsewhere.push('image.mount');
      // Joining another container: shared-namespaces.test.ts.
      elsewhere.push('tree.join', 'ns.file');
      // What only a rootless start does is in rootless.test.ts and rootless-ports.test.ts.
      elsewhere.push('fd.own', 'port.forward');
      // v1 has files for the rules of devices, and its cgroups are entered; v2 has a step, and cgroups to be born in.
      const v1 = (await hierarchies()).some(({ controllers }) => controllers.includes('devices'));
      elsewhere.push(v1 ? 'cgroup.devices' : 'cgroup.enter');
      const missing = OPCODES.filter((op) => !seen.has(op) && !elsewhere.includes(op));
      expect(missing.filter((op) => !UNUSED.has(op))).to.deep.equal([]);
    });
  });

  describe('a start in which Node dies', () => {
    /** Starts a process that is going to be killed at that step; waits until nothing of it is left. */
    const bury = async (roots: Where, start: StartName, fault: Fault) => {
      const child = await harness(bundledFixture('killed-caller'), {
        ...roots,
        start,
        fault,
      } satisfies KilledCallerTask);
      const { id } = await child.next<KilledCallerBegins>();
      const { signal, stderr } = await child.ended;
      expect(signal, stderr).to.equal('SIGKILL');
      await untilNothing(() => tracesOf(id, roots.dataRoot));
      return child;
    };

    /** A process for each step takes its time: the other starts, and in CI all, have the one or the other in turn. */
    const actionsAt = (start: StartName, index: number): Fault['action'][] => {
      if (start === 'plain' && process.env['CI'] === undefined) return ['kill-node', 'kill-both'];
      const odd = start === 'shared' ? 0 : 1;
      return [index % 2 === odd ? 'kill-both' : 'kill-node'];
    };

    for (const start of startNames) {
      it(`A death at each step of "${start}", with its init or alone, leaves nothing`, async () => {
        const roots = where(`kill-${start}`);
        const steps = await programOf(start, roots);
        const faults = steps.flatMap(({ phase, step }, index) =>
          actionsAt(start, index).map((action) => ({ phase, step, action })),
        );
        const resolving: ProcessHarness[] = [];
        // They publish the same ports, so one at a time; and the resolver of one may serve the next.
        await each(sample(faults), start === 'bridged' ? 1 : 4, async (fault) => {
          const child = await bury(roots, start, fault);
          if (start === 'bridged') resolving.push(child);
          else await child.gone();
        });
        await Promise.all(resolving.map((child) => child.gone()));
        expect(await readdir(join(roots.dataRoot, 'containers'))).to.deep.equal([]);
        await untilNothing(unusedParents);
        if (start === 'bridged')
          await untilNothing(() => networkTraces(roots.runRoot, namespace.within));
      });
    }
  });

  describe('a container whose Node is killed', () => {
    /** Tells the kernel that this process is not to die with its parent: prctl(2), PR_SET_PDEATHSIG. */
    const CLEARED =
      'syscall($ENV{PRCTL}, 1, 0, 0, 0, 0) == 0 or die; ' + '$| = 1; print "here\n"; sleep 1000';
    const prctl = process.arch === 'arm64' ? '167' : '157';

    const programs: Record<string, Omit<KilledCallerTask, keyof Where>> = {
      'below init': { image: 'busybox', argv: ['sh', '-c', 'echo here; sleep 1000'] },
      'as pid 1': {
        image: 'busybox',
        argv: ['sh', '-c', 'echo here; while :; do sleep 1; done'],
        options: { init: false },
      },
      'with its parent-death signal cleared': {
        image: 'host',
        argv: ['perl', '-e', CLEARED],
        options: { init: false, env: { PRCTL: prctl } },
      },
      'that has changed its user': {
        image: 'busybox',
        argv: ['su', '-s', '/bin/sh', 'nobody', '-c', 'echo here; exec sleep 1000'],
        options: { init: false },
      },
      'with processes in sessions of their own': {
        image: 'busybox',
        argv: ['sh', '-c', 'setsid sleep 1000 & setsid sleep 1000 & echo here; sleep 1000'],
        options: { tty: true },
      },
      'privileged, in cgroups that it made itself': {
        image: 'busybox',
        argv: [
          'sh',
          '-c',
          'n=0; for c in /sys/fs/cgroup /sys/fs/cgroup/*; do [ -e $c/cgroup.procs ] || continue; ' +
            'mkdir -p $c/one/two $c/three; cat $c/cpuset.cpus >$c/one/cpuset.cpus; ' +
            'sh -c "echo \\$\\$ >$c/one/two/cgroup.procs; echo >>/tried; exec sleep 1000" & ' +
            'n=$((n + 1)); done 2>/dev/null; ' +
            'until [ "$(wc -l </tried)" = $n ]; do sleep 0.02; done; echo here; sleep 1000',
        ],
        options: { privileged: true },
      },
    };

    const running = async (name: string, program: Omit<KilledCallerTask, keyof Where>) => {
      const roots = where(name.replaceAll(/\W+/g, '-'));
      const child = await harness(bundledFixture('killed-caller'), {
        ...roots,
        ...program,
      } satisfies KilledCallerTask);
      const { id } = await child.next<KilledCallerBegins>();
      const { line, cleanupHelper } = await child.next<KilledCallerRuns>();
      expect(line.trim()).to.equal('here');
      expect(await processesOf(id)).not.to.deep.equal([]);
      if (program.options?.privileged === true) {
        const below = (await cgroupsOf(id)).map((cgroup) => processesIn(join(cgroup, 'one/two')));
        expect((await Promise.all(below)).flat()).not.to.deep.equal([]);
      }
      return { roots, child, id, cleanupHelper };
    };

    for (const [name, program] of Object.entries(programs)) {
      it(`The cleanup helper ends and removes a container whose Node is killed: ${name}`, async () => {
        const { roots, child, id } = await running(`alone ${name}`, program);
        child.kill();
        await child.ended;
        await untilNothing(() => tracesOf(id, roots.dataRoot));
        await child.gone();
        await untilNothing(unusedParents);
      });

      it(`The next engine ends and removes a container whose Node and cleanup helper are killed: ${name}`, async () => {
        const { roots, child, id, cleanupHelper } = await running(`both ${name}`, program);
        process.kill(cleanupHelper, 'SIGSTOP');
        child.kill();
        process.kill(cleanupHelper, 'SIGKILL');
        await child.ended;
        const engine = await Engine.open(roots);
        await untilNothing(() => tracesOf(id, roots.dataRoot));
        await engine.close();
        await child.gone();
      });
    }

    for (const name of ['with its parent-death signal cleared', 'that has changed its user']) {
      it(`The cleanup helper ends and removes a container in no cgroup: ${name}`, async () => {
        const roots = where(name.replaceAll(/\W+/g, '-'));
        const task: KilledCallerTask = { ...roots, ...programs[name]! };
        const child = await harness(bundledFixture('killed-caller'), task, 'own, without cgroups');
        const { id } = await child.next<KilledCallerBegins>();
        expect((await child.next<KilledCallerRuns>()).line.trim()).to.equal('here');
        expect(await cgroupsOf(id)).to.deep.equal([]);
        child.kill();
        await child.ended;
        await untilNothing(() => tracesOf(id, roots.dataRoot));
        await child.gone();
      });
    }

    it('The processes below an init do not wait for another engine when Node and the cleanup helper are killed', async () => {
      const { roots, child, id, cleanupHelper } = await running(
        'both at once',
        programs['below init']!,
      );
      process.kill(cleanupHelper, 'SIGSTOP');
      child.kill();
      process.kill(cleanupHelper, 'SIGKILL');
      await child.ended;
      await untilNothing(async () => (await processesOf(id)).map(String));
      await child.gone();
      expect(await tracesOf(id, roots.dataRoot)).not.to.deep.equal([]);
      await (await Engine.open(roots)).close();
      expect(await tracesOf(id, roots.dataRoot)).to.deep.equal([]);
    });
  });

  it('Workers that are terminated leave no descriptor and no cleanup helper', async () => {
    const terminate = async (name: string): Promise<void> => {
      const roots = where(name);
      const worker = new Worker(fixture('worker'), { workerData: roots });
      const id = await new Promise<string>((resolve, reject) => {
        worker.once('message', resolve);
        worker.once('error', reject);
      });
      await worker.terminate();
      await untilNothing(() => tracesOf(id, roots.dataRoot));
    };
    await terminate('worker-0');
    const engine = await Engine.open(where('warm'));
    const run = () => engine.run(rootfs(path('busybox')), ['true']);
    await warmLaunchers(() => Promise.all(Array.from({ length: 8 }, run)));
    await engine.close();
    await eventually(() => expect(cleanupHelperOf(process.pid)).to.equal(undefined));
    const descriptors = openDescriptors().length;
    for (let i = 1; i < 5; i++) await terminate(`worker-${i}`);
    await eventually(() => {
      expect(cleanupHelperOf(process.pid)).to.equal(undefined);
      expect(openDescriptors()).to.have.length.at.most(descriptors);
    });
  });

  describe('a frozen container', () => {
    let engine: Engine;
    before(async () => {
      engine = await Engine.open(where('frozen'));
    });
    after(() => engine.close());

    const freeze = async (id: string) => {
      const { version, directory: cgroup } = await cgroupOf(id, 'freezer');
      const [file, value, state] =
        version === 1
          ? ['freezer.state', 'FROZEN', 'freezer.state']
          : ['cgroup.freeze', '1', 'cgroup.events'];
      await writeFile(join(cgroup, file), value);
      await eventually(async () => {
        expect(await readFile(join(cgroup, state), 'utf8')).to.match(/FROZEN|frozen 1/);
      });
    };

    it('A kill ends a frozen container', async () => {
      const execution = engine.run(rootfs(path('busybox')), ['sleep', '1000']);
      await execution.started;
      await freeze(execution.id);
      execution.kill();
      expect((await execution).signal).to.equal('SIGKILL');
    });

    it('A timeout ends a frozen container', async () => {
      const execution = engine.run(rootfs(path('busybox')), ['sleep', '1000'], { timeout: 1500 });
      await execution.started;
      await freeze(execution.id);
      expect((await execution).timedOut).to.equal(true);
    });

    it('A kill ends a container that froze itself', async () => {
      const command =
        'for f in /sys/fs/cgroup/freezer; do mkdir $f/in; echo $$ >$f/in/cgroup.procs; ' +
        'echo frozen; echo FROZEN >$f/in/freezer.state; done; sleep 1000';
      const { version } = await cgroupOf('', 'freezer');
      const execution = engine.run(
        rootfs(path('busybox')),
        ['sh', '-c', version === 1 ? command : 'echo frozen; sleep 1000'],
        { privileged: true },
      );
      for await (const line of execution) {
        expect(line).to.equal('frozen');
        execution.kill();
      }
      expect((await execution).signal).to.equal('SIGKILL');
      await untilNothing(() => tracesOf(execution.id, where('frozen').dataRoot));
    });
  });

  describe('a start that is ended early', () => {
    for (const options of [{}, { tty: true }, { init: false }] as const) {
      it(`A kill at once ends a start early and leaves nothing: ${JSON.stringify(options)}`, async () => {
        const roots = where('early');
        const engine = await Engine.open(roots);
        const execution = engine.run(rootfs(path('busybox')), ['sleep', '1000'], options);
        execution.kill();
        const { signal, exitCode } = await execution;
        expect({ signal, exitCode }).to.deep.equal({ signal: 'SIGKILL', exitCode: 137 });
        await engine.close();
        expect(await tracesOf(execution.id, roots.dataRoot)).to.deep.equal([]);
      });
    }
  });
});
