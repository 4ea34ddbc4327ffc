import { expect } from 'chai';
import fc from 'fast-check';
import { detectCgroups } from '../../../lib/cgroup/detect.js';
import { planCgroups } from '../../../lib/cgroup/limits/plan.js';
import { normalize } from '../../../lib/engine/options/config.js';
import { injectedFiles } from '../../../lib/engine/spec/files.js';
import type { RunOptions } from '../../../lib/engine/options/options.js';
import { hostnameOf, toSpec } from '../../../lib/engine/spec/to-spec.js';
import { labelsFor } from '../../../lib/host/selinux.js';
import { EVENT, type NativeError } from '../../../lib/native/binding.js';
import { loadNative } from '../../../lib/native/load.js';
import { compile, type Launchable } from '../../../lib/program/compile.js';
import { CAPABILITIES } from '../../../lib/oci/capability-sets.js';
import { describe as inWords } from '../../../lib/program/describe.js';
import { Encoder, HEADER_SIZE, slotList, STEP_SIZE } from '../../../lib/program/encode.js';
import {
  type Opcode,
  OPCODE_NUMBERS,
  OPCODES,
  type Program,
  type Step,
} from '../../../lib/program/instructions.js';
import type { LayerPlan, RootPlan } from '../../../lib/program/launch-input.js';
import {
  CommandTemplate,
  type Identity,
  instantiate,
  PLACEHOLDER,
  Template,
  withCommand,
} from '../../../lib/program/template.js';
import {
  comountedV1,
  hybrid,
  type Machine,
  nothing,
  readersOf,
  systemdV2,
} from '../support/cgroup-machines.js';
import { expectError } from '../support/expect-error.js';

const binding = loadNative();
const ID = '3a'.repeat(32);
const BASE = 1_000_000;
const SIZE = 65_536;
const EINVAL = 22;
const BEFORE_FIRST_STEP = 0xffff_ffff;
const opcodes = OPCODES.filter((name) => name !== 'none');

const overlay: RootPlan = {
  kind: 'overlay',
  lowers: ['/images/top', '/images/bottom'],
  views: [{ from: '.', to: '/' }],
  readOnly: false,
};
const views: RootPlan = {
  kind: 'overlay',
  lowers: ['/images/host'],
  views: [
    { from: '.root', to: '/' },
    { from: '.', to: '/usr' },
  ],
  readOnly: false,
};
const direct: RootPlan = { kind: 'direct', path: '/images/tree', readOnly: true };

const image: LayerPlan = {
  kind: 'image',
  file: 'layer.img',
  type: 'ext4',
  options: 'cleanUp',
};

interface Wanted {
  readonly layer?: LayerPlan;
  readonly options?: RunOptions;
  readonly machine?: Machine;
  readonly root?: RootPlan;
  readonly id?: string;
  readonly base?: number;
  readonly uid?: number;
}

/** As the engine does it, with a machine, a user and a filter that are always the same. */
async function compiled({
  options = {},
  machine = hybrid,
  root = overlay,
  layer,
  id = ID,
  base = BASE,
  uid = 7,
}: Wanted = {}): Promise<Launchable> {
  const image = { env: ['LANG=C'], cmd: [], entrypoint: [] };
  const config = normalize(['sh', '-c', 'true'], options, image, {
    cpus: '0-3',
    mems: '0',
    appArmor: true,
    selinux: {
      contexts: { process: 'u:r:container_t:s0', file: 'u:object_r:container_file_t:s0' },
      isKnown: () => true,
    },
  });
  const idRange = config.userns === 'auto' ? { base, size: SIZE } : undefined;
  const user = { uid, gid: 8, additionalGids: [8, 9], home: '/home' };
  const facts = { id, idRange, user, selinux: config.selinux && labelsFor(config.selinux, id) };
  const spec = toSpec(config, facts);
  const resources = spec.linux?.resources ?? {};
  return compile(
    spec,
    {
      id,
      directory: `/run/containers/${id}`,
      owner: 'owner-1',
      root,
      layer,
      files: injectedFiles(config.names, hostnameOf(config, facts)),
      cgroup: planCgroups(await detectCgroups(readersOf(machine)), id, resources, {
        deviceRules: 'optional',
      }),
      seccomp: config.seccomp.kind === 'unconfined' ? undefined : new Uint8Array(16),
      init: config.init,
      stdin: config.stdin,
      stdout: config.stdout,
      stderr: config.stderr,
      terminal: config.terminal,
    },
    { overlayByDescriptor: true },
  );
}

const names = (steps: readonly Step[]): string[] => steps.map(({ op }) => op);

function position(steps: readonly Step[], op: Opcode): number {
  const at = steps.findIndex((step) => step.op === op);
  expect(at, op).to.be.at.least(0);
  return at;
}

function encoded(program: Program): Buffer {
  return Buffer.from(new Encoder().encode(program));
}

const empty: Program = { slots: 0, host: [], container: [], teardown: [] };

/** What the native decoder says of bytes: of a program without a teardown phase, nothing is run. */
async function verdict(bytes: Uint8Array): Promise<NativeError | null> {
  return new Promise((resolve) => {
    binding.tearDown(bytes, resolve);
  });
}

async function expectAccepted(program: Program): Promise<void> {
  const error = await verdict(encoded({ ...program, teardown: [] }));
  expect(error).to.equal(null);
}

/** All events of a launch, until it is gone. */
async function eventsOf(bytes: Uint8Array): Promise<{ event: number; error: unknown }[]> {
  return new Promise((resolve) => {
    const events: { event: number; error: unknown }[] = [];
    const nowhere = new Uint32Array(0);
    const slots = [-1, -1, -1, -1, -1, -1];
    const template = binding.template(bytes, nowhere, encoded(empty), nowhere, slots, []);
    binding.launch(template, '0'.repeat(64), 0, false, (event, error) => {
      events.push({ event, error });
      if (event === EVENT.gone) resolve(events);
    });
  });
}

describe('launch programs: the instruction set', () => {
  it('Every instruction has a description', () => {
    for (const op of opcodes) expect(inWords({ op }).trim(), op).to.not.equal('');
  });
});

describe('launch programs: what the machine refuses', () => {
  const program: Program = {
    slots: 1,
    host: [
      { op: 'dir.make', texts: ['/nonexistent/caisson-test'], numbers: [0o700] },
      { op: 'file.open', slots: [0], texts: ['/nonexistent/caisson-test/file'] },
      { op: 'clone', numbers: [0] },
    ],
    container: [{ op: 'exec', texts: ['true\0', '', '/bin'] }],
    teardown: [],
  };

  const first = HEADER_SIZE;
  const damages: Record<string, { reason: RegExp; bytes: (whole: Buffer) => Buffer }> = {
    'a corrupt magic number': {
      reason: /magic/,
      bytes: (whole) => changed(whole, (b) => b.writeUInt32LE(0x1234_5678, 0)),
    },
    'another version': {
      reason: /version/,
      bytes: (whole) => changed(whole, (b) => b.writeUInt32LE(2, 4)),
    },
    'an end that is missing': {
      reason: /size does not match/,
      bytes: (whole) => whole.subarray(0, whole.length - 4),
    },
    'bytes after the end': {
      reason: /size does not match/,
      bytes: (whole) => Buffer.concat([whole, Buffer.alloc(4)]),
    },
    'half a header': {
      reason: /size is out of range/,
      bytes: (whole) => whole.subarray(0, HEADER_SIZE - 8),
    },
    nothing: { reason: /size is out of range/, bytes: () => Buffer.alloc(0) },
    'too many slots': {
      reason: /too many slots/,
      bytes: (whole) => changed(whole, (b) => b.writeUInt16LE(241, 12)),
    },
    'too many steps': {
      reason: /too many steps/,
      bytes: (whole) => changed(whole, (b) => b.writeUInt16LE(481, 14)),
    },
    'more steps than there are': {
      reason: /arena/,
      bytes: (whole) => changed(whole, (b) => b.writeUInt16LE(400, 14)),
    },
    'an arena elsewhere': {
      reason: /arena/,
      bytes: (whole) => changed(whole, (b) => b.writeUInt32LE(HEADER_SIZE, 20)),
    },
    'an unknown instruction': {
      reason: /unknown instruction/,
      bytes: (whole) => changed(whole, (b) => b.writeUInt16LE(OPCODES.length, first)),
    },
    'the instruction 0': {
      reason: /unknown instruction/,
      bytes: (whole) => changed(whole, (b) => b.writeUInt16LE(0, first)),
    },
    'an instruction in the wrong phase': {
      reason: /wrong phase/,
      bytes: (whole) => changed(whole, (b) => b.writeUInt16LE(OPCODE_NUMBERS.exec, first)),
    },
    'a reserved field that is set': {
      reason: /reserved/,
      bytes: (whole) => changed(whole, (b) => b.writeUInt16LE(1, first + 2)),
    },
    'no process': {
      reason: /not one clone/,
      bytes: () => encoded({ ...program, host: program.host.slice(0, -1) }),
    },
    'two processes': {
      reason: /not one clone/,
      bytes: () => encoded({ ...program, host: [...program.host, { op: 'clone' }] }),
    },
    'a process that never becomes the program': {
      reason: /end with exec/,
      bytes: () => encoded({ ...program, container: [...program.container, { op: 'await' }] }),
    },
    'a process that has nothing to do': {
      reason: /end with exec/,
      bytes: () => encoded({ ...program, container: [] }),
    },
    'a slot out of range': {
      reason: /slot out of range/,
      bytes: (whole) => changed(whole, (b) => b.writeInt16LE(1, first + STEP_SIZE + 4)),
    },
    'a negative slot': {
      reason: /slot out of range/,
      bytes: (whole) => changed(whole, (b) => b.writeInt16LE(-2, first + STEP_SIZE + 4)),
    },
    'an output without a slot': {
      reason: /output without a slot/,
      bytes: (whole) => changed(whole, (b) => b.writeInt16LE(-1, first + STEP_SIZE + 4)),
    },
    'a slot that the instruction does not have': {
      reason: /unexpected slot/,
      bytes: (whole) => changed(whole, (b) => b.writeInt16LE(0, first + 4 + 6)),
    },
    'a text out of range': {
      reason: /outside the arena/,
      bytes: (whole) => changed(whole, (b) => b.writeUInt32LE(0x7fff_fff0, first + 12)),
    },
    'a text at the very end': {
      reason: /outside the arena/,
      bytes: (whole) =>
        changed(whole, (b) => b.writeUInt32LE(whole.length - b.readUInt32LE(20), first + 12)),
    },
    'a text that is not aligned': {
      reason: /not aligned/,
      bytes: (whole) =>
        changed(whole, (b) => b.writeUInt32LE(b.readUInt32LE(first + 12) + 1, first + 12)),
    },
    'a text longer than the arena': {
      reason: /runs past the arena/,
      bytes: (whole) => changed(whole, (b) => b.writeUInt32LE(0xffff_ffff, textOf(b))),
    },
    'a text without its NUL': {
      reason: /end with NUL/,
      bytes: (whole) => changed(whole, (b) => b.writeUInt32LE(3, textOf(b))),
    },
    'a NUL inside a text': {
      reason: /contains NUL/,
      bytes: (whole) => changed(whole, (b) => b.writeUInt8(0, textOf(b) + 6)),
    },
    'a missing text': {
      reason: /missing text/,
      bytes: (whole) => changed(whole, (b) => b.writeUInt32LE(0, first + 12)),
    },
    'a text that the instruction does not have': {
      reason: /unexpected text/,
      bytes: (whole) =>
        changed(whole, (b) => b.writeUInt32LE(b.readUInt32LE(first + 12), first + 12 + 12)),
    },
  };

  function changed(whole: Buffer, change: (copy: Buffer) => void): Buffer {
    const copy = Buffer.from(whole);
    change(copy);
    return copy;
  }

  /** Where the first step's first text begins, with its length. */
  function textOf(bytes: Buffer): number {
    return bytes.readUInt32LE(20) + bytes.readUInt32LE(first + 12);
  }

  it('A program with nothing wrong is taken', async () => {
    await expectAccepted(program);
  });

  for (const [damage, { reason, bytes }] of Object.entries(damages)) {
    it(`Nothing is started of a program with ${damage}`, async () => {
      const events = await eventsOf(bytes(encoded(program)));
      expect(events.map(({ event }) => event)).to.deep.equal([EVENT.failed, EVENT.gone]);
      const error = events[0]?.error as NativeError;
      expect(error).to.include({
        phase: 0,
        step: BEFORE_FIRST_STEP,
        errno: EINVAL,
        call: 'decode',
      });
      expect(error.object).to.match(reason);
    });
  }

  it('Nothing is torn down of such a program either', async () => {
    const teardown: Step[] = [{ op: 'tree.remove', texts: ['/nonexistent/caisson-test'] }];
    const bytes = encoded({ ...empty, teardown });
    bytes.writeUInt16LE(OPCODE_NUMBERS.clone, HEADER_SIZE);
    const error = await verdict(bytes);
    expect(error).to.include({ errno: EINVAL, call: 'decode' });
  });

  it('The decoder survives whatever bytes are changed', async () => {
    const whole = encoded(program);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 }),
        async (changes) => {
          const bytes = Buffer.from(whole);
          for (const [at, value] of changes) bytes[at] = value;
          bytes.writeUInt16LE(0, 18); // no teardown phase: whatever is accepted, nothing is run
          const error = await verdict(bytes);
          if (error !== null) expect(error.call).to.equal('decode');
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('launch programs: the order of steps', () => {
  const wanted: Record<string, Wanted> = {
    'the default on v1': {},
    'the default on v2': { machine: systemdV2 },
    'the default on a v1 of shared hierarchies': { machine: comountedV1 },
    'no cgroups at all': { machine: nothing, options: { pidsLimit: -1 } },
    'a root of several views': { root: views, options: { readOnly: true } },
    'a directory as root': { root: direct },
    'a layer in memory': { layer: { kind: 'tmpfs', size: 2 ** 24 } },
    'a layer in a file': { layer: image },
    'a terminal': { options: { tty: { cols: 80, rows: 24 } } },
    'an init': { options: { init: true } },
    "the host's users": { options: { userns: 'host' } },
    'all privileges': { options: { privileged: true } },
    'no new privileges': { options: { securityOpt: ['no-new-privileges'] } },
    'no filter': { options: { securityOpt: ['seccomp=unconfined'] } },
    'limits on v2': {
      machine: systemdV2,
      options: { memory: '64m', cpus: 0.5, pidsLimit: 10, readOnly: true },
    },
    'mounts, sysctls and streams': {
      options: {
        mounts: [{ type: 'bind', source: '/srv', target: '/data', bindRecursive: true }],
        tmpfs: { '/scratch': 'size=1m' },
        sysctls: { 'net.ipv4.ip_forward': '1' },
        ulimits: { nofile: 100 },
        workdir: '/data/deep',
        domainname: 'example.org',
        stdin: 'pipe',
        stderr: 'inherit',
      },
    },
  };

  for (const [title, what] of Object.entries(wanted)) {
    it(`The steps are what is always so: ${title}`, async () => {
      const { program, teardown, slots } = await compiled(what);
      const { host, container } = program;
      await expectAccepted(program);

      const count = (steps: readonly Step[], op: Opcode) =>
        steps.filter((step) => step.op === op).length;
      expect(count(host, 'clone')).to.equal(1);
      expect(count(host, 'release')).to.equal(count(container, 'await')).and.to.be.at.least(1);
      expect(host.at(-1)?.op).to.equal('release');
      expect(container.at(-1)?.op).to.equal('exec');
      expect(count(container, 'exec')).to.equal(1);
      expect(count(container, 'root.pivot')).to.equal(1);
      expect(program.teardown).to.deep.equal([]);

      // What is tidied up is on the host: each thing that was made there, and nothing else.
      const made = host.filter(({ op, numbers }) => op === 'cgroup.make' && numbers?.[0] !== 1);
      const undone = teardown.teardown;
      expect(teardown).to.include({ slots: 0 });
      expect(teardown.host).to.deep.equal([]);
      expect(teardown.container).to.deep.equal([]);
      expect(undone.slice(0, -1)).to.deep.equal(
        made.reverse().map(({ texts }) => ({ op: 'cgroup.remove', texts })),
      );
      expect(undone.at(-1)).to.deep.equal({
        op: 'tree.remove',
        texts: [`/run/containers/${ID}`],
      });

      // The container does nothing as somebody else's user before its root is closed.
      const pivot = position(container, 'root.pivot');
      for (const op of ['dir.change', 'caps.set', 'nnp.set'] as const) {
        const at = names(container).indexOf(op);
        if (at >= 0) expect(at, op).to.be.greaterThan(pivot);
      }
      for (const op of ['mount.attach', 'mount.fs', 'mount.mask', 'tree.view', 'dir.make']) {
        expect(names(container).lastIndexOf(op), op).to.be.lessThan(pivot);
      }

      const { stdin = 0, stdout = 0, stderr = 0, oom = 0, hold } = slots;
      for (const slot of [stdin, stdout, stderr, oom, ...hold]) {
        expect(slot).to.be.within(0, program.slots - 1);
      }
    });
  }

  it('The process comes first in v1, and enters its cgroups late', async () => {
    const { host, container } = (await compiled()).program;
    expect(host[0]).to.include({ op: 'clone' });
    expect(host[0]?.slots?.[0]).to.equal(undefined);
    expect(names(host).slice(1, 3)).to.deep.equal(['dir.make', 'symlink.make']);
    expect(position(host, 'cgroup.make')).to.be.greaterThan(position(host, 'release'));
    const entered = names(container).indexOf('cgroup.enter');
    expect(entered).to.be.greaterThan(names(container).lastIndexOf('await'));
  });

  it('The directory comes first in v2, then the cgroup, then the process, born in it', async () => {
    const { host, container } = (await compiled({ machine: systemdV2 })).program;
    expect(host[0]).to.deep.include({ op: 'dir.make', texts: [`/run/containers/${ID}`] });
    expect(host[1]).to.deep.include({ op: 'symlink.make' });
    const clone = position(host, 'clone');
    expect(names(host).lastIndexOf('cgroup.make')).to.be.lessThan(clone);
    expect(names(host).lastIndexOf('cgroup.write')).to.be.lessThan(clone);
    const opened = host[clone - 1];
    expect(opened?.op).to.equal('file.open');
    expect(opened?.texts?.[0]).to.match(new RegExp(`/${ID}$`));
    expect(host[clone]?.slots?.[0]).to.be.a('number').and.to.equal(opened?.slots?.[0]);
    expect(names(container)).to.not.include('cgroup.enter');
  });

  it('The ids are mapped before anything waits for them', async () => {
    const { host, container } = (await compiled()).program;
    expect(position(host, 'ids.map')).to.be.lessThan(position(host, 'release'));
    expect(position(container, 'await')).to.be.lessThan(position(container, 'ids.set'));
    const own = (await compiled({ options: { userns: 'host' } })).program;
    expect(names(own.host)).to.not.include.members(['ids.map', 'fsids.set']);
  });

  it('B6: a layer with a size is mounted first, and its directories are made in it by container root', async () => {
    const order = (steps: readonly Step[]) => {
      const from = position(steps, 'tree.open') - 1;
      return names(steps.slice(from, position(steps, 'overlay.make') + 1));
    };
    const tmpfs = await compiled({ layer: { kind: 'tmpfs', size: 2 ** 24 } });
    const make = ['fsids.set', 'dir.make', 'dir.make', 'overlay.make'];
    const lowers = ['tree.open', 'tree.open'];
    expect(order(tmpfs.program.host).slice(1)).to.deep.equal([...lowers, 'fs.make', ...make]);
    const { host } = (await compiled({ layer: image })).program;
    const mounting = ['tree.open', 'file.open', 'image.mount'];
    expect(order(host).slice(1)).to.deep.equal([...lowers, ...mounting, ...make]);
    // The directory itself is no layer then, and without a size nothing of this is there.
    const paths = host.filter(({ op }) => op === 'dir.make').map(({ texts }) => texts?.[0]);
    expect(paths).to.include('upper').and.not.include(`/run/containers/${ID}/upper`);
    const plain = order((await compiled()).program.host);
    expect(plain).to.deep.equal(['dir.make', ...lowers, 'tree.open', 'fsids.set', 'overlay.make']);
  });

  it('The init is started only where it is asked for, and before the program', async () => {
    const without = await compiled({ options: { init: false } });
    expect(names(without.program.container)).to.not.include('init');
    const { container } = (await compiled({ options: { init: true } })).program;
    expect(names(container).filter((op) => op === 'init')).to.have.length(1);
    // Beside it, the init would hold it up.
    expect(position(container, 'init')).to.equal(position(container, 'root.pivot') + 1);
    // What is dropped before the fork need not be dropped twice.
    expect(position(container, 'caps.bound')).to.be.lessThan(position(container, 'init'));
  });

  it('A process without an id map keeps by exec what its set-up and its program need, and no more', async () => {
    const kept = async (options: RunOptions) =>
      (await compiled({ options, uid: 0 })).program.host.find(({ op }) => op === 'clone')
        ?.numbers?.[3];
    const number = (name: string) => 1n << BigInt(CAPABILITIES.indexOf(name));
    const usual = BigInt((await kept({})) ?? 0);
    expect(usual & number('CAP_SYS_ADMIN')).to.not.equal(0n);
    expect(usual & number('CAP_SYS_TIME')).to.equal(0n);
    const more = BigInt((await kept({ capAdd: ['SYS_TIME'] })) ?? 0);
    expect(more & number('CAP_SYS_TIME')).to.not.equal(0n);
    const none = BigInt((await kept({ capDrop: ['ALL'] })) ?? 0);
    expect(none & number('CAP_NET_RAW')).to.equal(0n);
    expect(none & number('CAP_SETPCAP')).to.not.equal(0n);
  });

  it('A filter comes before the ids, unless no-new-privileges lets it be last', async () => {
    const usual = (await compiled()).program.container;
    expect(position(usual, 'seccomp.load')).to.be.lessThan(names(usual).lastIndexOf('ids.set'));
    expect(names(usual)).to.not.include('nnp.set');

    const options = { securityOpt: ['no-new-privileges'] };
    const without = (await compiled({ options })).program.container;
    expect(names(without).at(-2)).to.equal('seccomp.load');
    expect(position(without, 'nnp.set')).to.be.lessThan(names(without).lastIndexOf('ids.set'));
    expect(names(without).filter((op) => op === 'seccomp.load')).to.have.length(1);
  });

  it('A9: an SELinux label is set before the keyring is made, and given to every file system that takes one', async () => {
    const options = { securityOpt: ['label=level:s0:c1,c2'], tmpfs: ['/t'] };
    const [label, files] = ['u:r:container_t:s0:c1,c2', 'u:object_r:container_file_t:s0:c1,c2'];
    for (const init of [true, false]) {
      const { program } = await compiled({ options: { ...options, init } });
      const { container, host } = program;
      expect(container.find(({ op }) => op === 'label.set')).to.deep.include({
        texts: [label],
        numbers: [1],
      });
      expect(position(container, 'label.set')).to.be.lessThan(position(container, 'session.new'));
      if (init) expect(container.find(({ op }) => op === 'init')?.numbers).to.deep.equal([1]);
      const made = host.filter(({ op }) => op === 'fs.make' || op === 'overlay.make');
      expect(made.map(({ texts }) => texts?.[2])).to.deep.equal(made.map(() => files));
      expect(made).to.have.length(4);
      const mounted = container.filter(({ op }) => op === 'mount.fs');
      expect(
        mounted.map(({ texts, numbers }) => [texts?.[0], texts?.[3], numbers?.[1]]),
      ).to.deep.equal([
        ['proc', undefined, 0],
        ['devpts', files, 0],
        ['sysfs', undefined, 0],
        ['mqueue', files, 1],
      ]);
    }
    const none = (await compiled({ options: { securityOpt: ['label=type:x', 'label=disable'] } }))
      .program;
    expect([...none.host, ...none.container].map(inWords).join()).to.not.include('SELinux');
    expect(names(none.container)).to.not.include('label.set');
    expect(none.container.find(({ op }) => op === 'init')?.numbers).to.deep.equal([]);
  });

  it('An AppArmor profile is set in every process of the program, before the filter', async () => {
    const options = { securityOpt: ['apparmor=p'] };
    for (const init of [true, false]) {
      const { container } = (await compiled({ options: { ...options, init } })).program;
      expect(container.find(({ op }) => op === 'label.set')?.texts).to.deep.equal(['p']);
      expect(position(container, 'label.set')).to.be.lessThan(position(container, 'seccomp.load'));
      if (init)
        expect(position(container, 'init')).to.be.lessThan(position(container, 'label.set'));
    }
    expect(names((await compiled()).program.container)).to.not.include('label.set');
  });

  it('The groups are set before the ids, and the ids before the capabilities', async () => {
    const { container } = (await compiled()).program;
    const order = names(container);
    const ids = order.lastIndexOf('ids.set');
    expect(order[ids - 1]).to.equal('groups.set');
    expect(order[ids + 1]).to.equal('caps.set');
    expect(order.indexOf('caps.bound')).to.be.lessThan(ids);
  });
});

describe('launch programs: templates', () => {
  const others: Record<string, Wanted> = {
    'on v1': {},
    'on v2': { machine: systemdV2, options: { memory: '64m' } },
    'with pipes for all streams': { options: { stdin: 'pipe', stdout: 'pipe', stderr: 'pipe' } },
    'with a terminal': { options: { tty: { cols: 80, rows: 24 } } },
    'with a root of several views': { root: views },
    "with the host's users": { options: { userns: 'host' } },
  };
  const identities: Identity[] = [
    { id: ID, base: 100_000 },
    { id: '0'.repeat(64), base: BASE },
    { id: 'f'.repeat(64), base: 1_000_000_000 },
    { id: '0123456789abcdef'.repeat(4), base: 3_999_934_464 },
    { id: 'a'.repeat(12) + 'b'.repeat(52), base: 1 },
  ];

  /** The kernel does not mind leading zeros in a map, and the template's numbers have ten digits. */
  function padded(program: Program, base: number): Program {
    const host = program.host.map((step) =>
      step.op !== 'ids.map'
        ? step
        : {
            ...step,
            texts: step.texts?.map((text) =>
              String(text).replaceAll(` ${base} `, ` ${String(base).padStart(10, '0')} `),
            ),
          },
    );
    return { ...program, host };
  }

  /** Without operands that are there but undefined. */
  function present(program: Program): unknown {
    const tidy = (steps: readonly Step[]) =>
      steps.map((step) =>
        Object.fromEntries(Object.entries(step).filter(([, value]) => value !== undefined)),
      );
    const { host, container, teardown } = program;
    return {
      ...program,
      host: tidy(host),
      container: tidy(container),
      teardown: tidy(teardown),
    };
  }

  for (const [title, what] of Object.entries(others)) {
    it(`Templates are what would have been compiled: ${title}`, async () => {
      const { id, base } = PLACEHOLDER;
      const { program, teardown } = await compiled({ ...what, id, base });
      const encoder = new Encoder();
      const template = new Template(program, encoder);
      const undo = new Template(teardown, encoder);
      // In turn and back again: nothing of the one before is left.
      for (const whom of [...identities, ...identities.slice().reverse()]) {
        const own = what.options?.userns === 'host' ? { id: whom.id, base: undefined } : whom;
        const expected = await compiled({ ...what, id: whom.id, base: whom.base ?? 0 });
        expect(present(instantiate(program, own))).to.deep.equal(present(expected.program));
        expect(present(instantiate(teardown, own))).to.deep.equal(present(expected.teardown));

        const instantiated = Buffer.from(template.instantiate(binding, own));
        const compared = encoded(padded(expected.program, whom.base ?? 0));
        expect(instantiated.equals(compared), `instantiated for ${whom.id}`).to.equal(true);
        const undone = Buffer.from(undo.instantiate(binding, own));
        expect(undone.equals(encoded(expected.teardown)), 'the teardown').to.equal(true);

        for (const bytes of [instantiated, undone]) {
          expect(bytes.includes(id)).to.equal(false);
          expect(bytes.includes(id.slice(0, 12))).to.equal(false);
          if (own.base !== undefined) expect(bytes.includes(String(base))).to.equal(false);
        }
        expect(await verdict(instantiated)).to.equal(null);
      }
    });
  }
});

describe('launch programs: templates without a command', () => {
  const commands = [
    { args: ['true'], env: [] },
    { args: ['sh', '-c', 'echo "$A"', ''], env: ['PATH=/bin', 'A=ä\u{1f600}', 'B='] },
    { args: ['true'], env: [`HOSTNAME=${PLACEHOLDER.id.slice(0, 12)}`, 'HOME=/root'] },
    { args: Array.from({ length: 1000 }, (_, index) => 'x'.repeat(index % 100)), env: ['A=1'] },
  ];

  it('C8: templates are, with arguments and environment put behind them, what would have been compiled', async () => {
    const { program } = await compiled({ id: PLACEHOLDER.id, base: PLACEHOLDER.base });
    const encoder = new Encoder();
    const template = new Template(withCommand(program, undefined), encoder);
    const whom = { id: ID, base: 1_111_111_111 };
    for (const command of [...commands, ...commands.slice().reverse()]) {
      const expected = instantiate(withCommand(program, command), whom);
      const put = new CommandTemplate(command, template, encoder).bytes;
      const instantiated = Buffer.from(template.instantiate(binding, whom, put));
      expect(instantiated.equals(encoded(expected)), command.args[0]).to.equal(true);
      expect(await verdict(instantiated)).to.equal(null);
    }
  });

  it('C8: templates keep nothing of the start that they were compiled for, and are no program alone', async () => {
    const { program } = await compiled({ id: PLACEHOLDER.id, base: PLACEHOLDER.base });
    const secret = { args: ['secret-argument'], env: ['SECRET=variable'] };
    const template = new Template(
      withCommand(withCommand(program, secret), undefined),
      new Encoder(),
    );
    expect(Buffer.from(template.bytes).includes('secret-argument')).to.equal(false);
    expect(Buffer.from(template.bytes).includes('SECRET')).to.equal(false);
    const alone = template.instantiate(binding, { id: ID, base: 1 });
    expect(await verdict(alone)).to.not.equal(null);
  });

  it('C8: templates are refused with texts that are cut off, or none', async () => {
    const { program } = await compiled({ id: PLACEHOLDER.id, base: PLACEHOLDER.base });
    const encoder = new Encoder();
    const template = new Template(withCommand(program, undefined), encoder);
    const whom = { id: ID, base: 1 };
    const command = new CommandTemplate(commands[1]!, template, encoder).bytes;
    for (let length = 1; length < command.length; length++) {
      const instantiated = template.instantiate(binding, whom, command.subarray(0, length));
      expect(await verdict(instantiated), String(length)).to.not.equal(null);
    }
    const long = Buffer.from(command);
    long.writeUInt32LE(0xffff_ffff, 4);
    expect(await verdict(template.instantiate(binding, whom, long))).to.not.equal(null);
    // A place of the short id that lies outside is none.
    for (const place of [command.length - 15, 0xffff_fff0]) {
      long.set(command);
      long.writeUInt32LE(place, 0);
      expect(await verdict(template.instantiate(binding, whom, long)), String(place)).to.equal(
        null,
      );
    }
    // And behind what is no program at all nothing is written over.
    const junk = Buffer.alloc(64, 0xff);
    for (let size = 0; size <= junk.length; size++)
      binding.instantiate(junk.subarray(0, size), new Uint32Array(0), ID, 1, command);
    const endless = { args: ['x'.repeat(8 << 20)], env: [] };
    expect(() => new CommandTemplate(endless, template, encoder)).to.throw(/larger than/);
  });
});

describe('launch programs: native templates', () => {
  const bytes = encoded(empty);
  const id = 'a'.repeat(64);

  it('Native templates have no offset outside the program', () => {
    for (const place of [
      [0, bytes.length - 63, 0],
      [1, bytes.length - 11, 0],
      [2, bytes.length - 3, 0],
      [3, bytes.length - 9, 0],
      [0, 0xffff_ffff, 0],
      [4, 0, 0],
      [2, 0],
    ]) {
      const places = Uint32Array.from(place);
      expect(() => binding.instantiate(bytes, places, id, 1), String(place)).to.throw(TypeError);
      const all = [bytes, places, bytes, places, [], []] as const;
      expect(() => binding.template(...all), String(place)).to.throw(TypeError);
    }
  });

  it('Native templates are for long ids only', () => {
    const none = new Uint32Array(0);
    for (const wrong of ['', 'a'.repeat(63), 'a'.repeat(65)])
      expect(() => binding.instantiate(bytes, none, wrong, 1)).to.throw(TypeError);
  });
});

describe('launch programs: the encoder', () => {
  const encoder = new Encoder();
  const withTexts = (texts: readonly string[]): Program => ({
    ...empty,
    host: [...texts.map((text): Step => ({ op: 'dir.make', texts: [text] })), { op: 'clone' }],
    container: texts.map((text): Step => ({ op: 'exec', texts: [text, text, text] })),
  });

  /** The bytes of a step's text, as the machine would find them. */
  function textAt(bytes: Buffer, step: number, index: number): Buffer {
    const offset = bytes.readUInt32LE(HEADER_SIZE + step * STEP_SIZE + 12 + 4 * index);
    const record = bytes.readUInt32LE(20) + offset;
    return bytes.subarray(record + 4, record + 4 + bytes.readUInt32LE(record));
  }

  async function expectKept(texts: readonly string[]): Promise<void> {
    const bytes = Buffer.from(encoder.encode(withTexts(texts)));
    texts.forEach((text, index) => {
      for (const step of [index, texts.length + 1 + index]) {
        expect(textAt(bytes, step, 0).equals(Buffer.from(text))).to.equal(true);
      }
    });
    expect(await verdict(bytes)).to.equal(null);
  }

  it('The encoder keeps odd texts', async () => {
    await expectKept(['', 'é', '𝄞', '\ud800', '\udc00x', 'a\uffff', '\ufeff', 'x'.repeat(100_000)]);
    await expectKept(['ß'.repeat(95), 'ß'.repeat(97), 'x'.repeat(95) + '\ud800']);
    await expectKept(['\u{1f600}'.repeat(100_000), 'short again']);
  });

  it('The encoder keeps any text', async () => {
    const unit = fc.integer({ min: 1, max: 0xffff }).map((code) => String.fromCharCode(code));
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 300 }).map((s) => s.replaceAll('\0', '')),
      fc.string({ unit, maxLength: 200 }),
      fc.tuple(unit, fc.nat(100_000)).map(([one, times]) => one.repeat(times)),
    );
    await fc.assert(fc.asyncProperty(fc.array(text, { minLength: 1, maxLength: 6 }), expectKept), {
      numRuns: 100,
    });
  });

  it('The encoder keeps numbers of 64 bits', () => {
    const number = fc.oneof(
      fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn }),
      fc.integer({ min: -(2 ** 31), max: 2 ** 31 }),
      fc.maxSafeInteger(),
    );
    fc.assert(
      fc.property(fc.array(number, { maxLength: 4 }), (numbers) => {
        const host: Step[] = [{ op: 'oom.set', numbers }];
        const bytes = Buffer.from(encoder.encode({ ...empty, host }));
        numbers.forEach((value, index) => {
          const found = bytes.readBigUInt64LE(HEADER_SIZE + 32 + 8 * index);
          expect(found).to.equal(BigInt.asUintN(64, BigInt(value)));
        });
      }),
    );
  });

  it('The encoder leaves nothing of the program before', () => {
    const long = withTexts(['a long one'.repeat(100)]);
    const short = withTexts(['b']);
    const fresh = encoded(short);
    encoder.encode(long, { phase: 'container', step: 1, action: 'fail' });
    expect(Buffer.from(encoder.encode(short)).equals(fresh)).to.equal(true);
  });

  it('The encoder takes blobs as they are', async () => {
    const blob = slotList([0, 1, 0xff00]);
    const host: Step[] = [{ op: 'release', texts: [blob] }, { op: 'clone' }];
    const container: Step[] = [{ op: 'exec', texts: ['a\0', '', ''] }];
    const bytes = encoded({ ...empty, host, container });
    expect(textAt(bytes, 0, 0).equals(Buffer.from(blob))).to.equal(true);
    expect(await verdict(bytes)).to.equal(null);
  });

  it('The encoder refuses what the machine would not take for its size', () => {
    const large = withTexts(['x'.repeat(3 << 20)]);
    expectError(() => encoder.encode(large), 'ERR_INVALID_PROGRAM', /larger than/);
  });
});
