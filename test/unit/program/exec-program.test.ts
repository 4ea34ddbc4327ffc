import { expect } from 'chai';
import fc from 'fast-check';
import { type ExecOptions, normalizeExec } from '../../../lib/engine/options/exec-options.js';
import type { RunOptions } from '../../../lib/engine/options/options.js';
import { CaissonError } from '../../../lib/base/errors.js';
import type { Opcode, Step } from '../../../lib/program/instructions.js';
import { BASE, compiledExec, EXEC_CASES, v1, v2 } from '../../support/exec-programs.js';
import { expectError } from '../support/expect-error.js';
import { sampleSize } from '../../support/sample.js';

const [MOUNT, USER, PID, NET] = [0x2_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000];
const CGROUP = 0x0200_0000;

const names = (steps: readonly Step[]): string[] => steps.map(({ op }) => op);

function find(steps: readonly Step[], op: Opcode): Step {
  const step = steps.find((one) => one.op === op);
  if (step === undefined) throw new Error(`no ${op} in ${names(steps).join(' ')}`);
  return step;
}

describe('the program of an exec', () => {
  for (const [title, [options, input]] of Object.entries(EXEC_CASES)) {
    it(`The steps are what is always so: ${title}`, async () => {
      const { program, teardown } = compiledExec(options, input);
      const { host, container } = program;
      // Nothing stays, so that there is nothing to undo, also by a cleanup helper.
      expect(teardown).to.deep.equal({ slots: 0, host: [], container: [], teardown: [] });
      const leaves = /^(dir|symlink|file)\.(make|write)$|^cgroup\.(make|write|devices)$|^ids\.map$/;
      expect(names(host).filter((op) => leaves.test(op))).to.deep.equal([]);

      // Whose pid it is comes before everything.
      expect(host[0]).to.deep.include({ op: 'process.open', numbers: [4242, 2n ** 40n] });
      const target = host[0]?.slots?.[0];
      expect(find(host, 'clone').slots?.[1]).to.equal(target);
      expect(find(host, 'clone').numbers?.[1]).to.equal(title === 'detached' ? 1 : 0);
      expect(host.at(-1)?.op).to.equal('release');

      const order = names(container);
      expect(order[0]).to.equal('await');
      const join = order.indexOf('ns.join');
      expect(find(host, 'ns.open')).to.deep.include({ texts: ['cgroup'] });
      expect(find(host, 'ns.open').slots?.[1]).to.equal(target);
      expect(find(container, 'ns.join').slots).to.deep.equal([find(host, 'ns.open').slots?.[0]]);
      // Before that it does nothing but enter cgroups, by files that were opened by the host's root.
      expect(new Set(order.slice(1, join)).size).to.be.at.most(1);
      expect(order.lastIndexOf('cgroup.enter')).to.be.lessThan(join);
      expect(order.at(-1)).to.equal('exec');
      expect(order.slice(join + 1)).to.include.members([
        'stdio.set',
        'session.new',
        'dir.change',
        'caps.bound',
        'groups.set',
        'ids.set',
        'caps.set',
      ]);
      for (const op of ['root.pivot', 'ns.unshare', 'mount.attach', 'init', 'dir.make'])
        expect(order).not.to.include(op);
    });
  }

  it('An exec joins all that the container has of its own, at once', () => {
    const flags = (options: RunOptions) =>
      Number(find(compiledExec(options).program.host, 'clone').numbers?.[0]);
    const own = flags({});
    expect(own & (MOUNT | USER | NET | PID)).to.equal(MOUNT | USER | NET | PID);
    // The cgroup namespace is the exception: it comes after the cgroups.
    expect(own & CGROUP).to.equal(0);
    expect(find(compiledExec().program.container, 'ns.join').numbers).to.deep.equal([CGROUP]);
    expect(flags({ network: 'host' })).to.equal(own & ~NET);
    expect(flags({ pid: 'host' })).to.equal(own & ~PID);
    expect(flags({ userns: 'host' })).to.equal(own & ~USER);
    const first = compiledExec({}).program.container;
    const at = names(first).indexOf('ns.join');
    expect(first.slice(at + 1, at + 3)).to.deep.equal([
      { op: 'ids.set', numbers: [0, 0] },
      { op: 'groups.set' },
    ]);
  });

  it('An exec in v1 enters each cgroup by itself, and in v2 is born in it', () => {
    const one = compiledExec().program;
    const opened = one.host.filter(({ texts: [path] = [] }) =>
      typeof path === 'string' ? path.endsWith('/tasks') : false,
    );
    expect(opened.map(({ texts }) => texts?.[0])).to.deep.equal(
      v1.map(({ dir }) => `${dir}/tasks`),
    );
    expect(
      one.container.filter(({ op }) => op === 'cgroup.enter').map(({ slots }) => slots),
    ).to.deep.equal(opened.map(({ slots }) => slots));

    const two = compiledExec({}, { placements: v2 }).program;
    // A read-only mount of its own, which leads nowhere.
    const directory = two.host.find(({ texts }) => texts?.[0] === v2[0]?.dir);
    expect(directory?.op).to.equal('tree.open');
    expect(Number(directory?.numbers?.[1]) & 1).to.equal(1);
    expect(find(two.host, 'clone').slots?.[0]).to.be.a('number').and.equal(directory?.slots?.[0]);
    expect(names(two.container)).not.to.include('cgroup.enter');
  });

  it('An exec has a null device of its own, and only where something leads nowhere', () => {
    const made = (options: RunOptions) =>
      names(compiledExec(options).program.host).includes('node.make');
    expect(made({})).to.equal(true);
    expect(made({ stdin: 'pipe' })).to.equal(false);
    expect(made({ tty: true })).to.equal(false);
    const { stdin, stdout, stderr, stdoutInside, stderrInside } = compiledExec({
      stdin: 'pipe',
    }).slots;
    const slots = [stdin, stdout, stderr, stdoutInside, stderrInside];
    for (const slot of slots) expect(slot).to.be.a('number');
    expect(new Set(slots)).to.have.lengthOf(5);
  });

  it('An exec gives its pipes to its user', () => {
    const { host } = compiledExec({ stdin: 'pipe' }).program;
    for (const { op, numbers } of host) {
      if (op === 'pipe.make') expect(numbers?.slice(1)).to.deep.equal([BASE + 7, BASE + 8]);
    }
  });
});

describe('options of exec', () => {
  it('The options have Docker’s defaults', () => {
    expect(normalizeExec(['true'], {}, 'auto')).to.deep.equal({
      args: ['true'],
      env: [],
      workdir: undefined,
      user: undefined,
      privileged: false,
      terminal: undefined,
      stdin: 'null',
      stdout: 'pipe',
      stderr: 'pipe',
      timeout: undefined,
      detached: false,
      detachable: false,
    });
    expect(normalizeExec(['true'], { workdir: '/a//b/../c/', tty: true }, 'auto')).to.deep.include({
      workdir: '/a/c',
      terminal: { cols: 80, rows: 24 },
      stdin: 'pipe',
    });
    expect(normalizeExec(['true'], { detach: true }, 'auto')).to.include({
      stdin: 'null',
      stdout: 'null',
      stderr: 'null',
    });
  });

  it('The options exclude each other where no stream would be there', () => {
    for (const options of [
      { tty: true },
      { timeout: 5 },
      { stdin: 'pipe' },
      { stderr: 'inherit' },
    ] as const) {
      expectError(
        () => normalizeExec(['true'], { detach: true, ...options }, 'auto'),
        'ERR_CONFLICTING_OPTIONS',
        new RegExp(`^${Object.keys(options)[0]}: `),
      );
    }
  });

  it('The options take ids of the container only', () => {
    expectError(
      () => normalizeExec(['a'], { user: '65536' }, 'auto'),
      'ERR_INVALID_OPTION',
      /^user: /,
    );
    expect(normalizeExec(['a'], { user: '65536' }, 'host').user).to.equal('65536');
  });

  it('The options of the wrong kind are refused with a typed error', () => {
    const names: (keyof ExecOptions)[] = [
      'env',
      'workdir',
      'user',
      'privileged',
      'tty',
      'stdin',
      'stdout',
      'stderr',
      'timeout',
      'signal',
      'maxOutput',
      'detach',
    ];
    fc.assert(
      fc.property(
        fc.constantFrom(...names),
        fc.oneof(fc.anything(), fc.string()),
        fc.oneof(fc.constant(['true']), fc.anything()),
        (name, given, argv) => {
          try {
            normalizeExec(argv as string[], { [name]: given }, 'auto');
          } catch (error) {
            if (!(error instanceof CaissonError)) throw error;
          }
        },
      ),
      { numRuns: sampleSize(2000) },
    );
  });
});
