import { expect } from 'chai';
import fc from 'fast-check';
import type { RunOptions } from '../../../lib/engine/options/options.js';
import { CAPABILITIES } from '../../../lib/oci/capability-sets.js';
import { NAMESPACE_FLAGS } from '../../../lib/oci/namespaces.js';
import { describe as inWords } from '../../../lib/program/describe.js';
import { Encoder, HEADER_SIZE, slotList, STEP_SIZE } from '../../../lib/program/encode.js';
import { type Opcode, OPCODES, type Step } from '../../../lib/program/instructions.js';
import { systemdV2 } from '../../support/cgroup-machines.js';
import { expectError } from '../support/expect-error.js';

import {
  ID,
  image,
  compiled,
  names,
  position,
  encoded,
  empty,
  CASES,
  anyText,
  withTexts,
} from '../../support/launch-programs.js';
import { sampleSize } from '../../support/sample.js';

const opcodes = OPCODES.filter((name) => name !== 'none');

describe('launch programs: the instruction set', () => {
  it('Every instruction has a description', () => {
    for (const op of opcodes) expect(inWords({ op }).trim(), op).to.not.equal('');
  });
});

describe('launch programs: the order of steps', () => {
  for (const [title, what] of Object.entries(CASES)) {
    it(`The steps are what is always so: ${title}`, async () => {
      const { program, teardown, slots } = await compiled(what);
      const { host, container } = program;

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

      // The container does nothing as another user before its root is closed.
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

  it('The resolver is told in the network namespace of the process, before the program goes on', async () => {
    const redirect = { protocol: 12, bytes: Uint8Array.of(3), text: 'add table' };
    const resolver = {
      directory: '/run/resolver',
      registration: Uint8Array.of(1, 2),
      redirect,
    };
    for (const wanted of [{}, { machine: systemdV2 }, { options: { userns: 'host' } as const }]) {
      const { host, container } = (await compiled({ ...wanted, resolver })).program;
      expect(names(host).slice(-2)).to.deep.equal(['resolver.await', 'release']);
      const told = host[position(host, 'resolver.register')];
      expect(told?.texts).to.deep.equal([resolver.directory, resolver.registration]);
      expect({ ...told, op: 'resolver.await' }, 'the same connection').to.deep.equal(host.at(-2));
      const flags = (steps: readonly Step[], op: Opcode) =>
        Number(steps[position(steps, op)]?.numbers?.[0]) & NAMESPACE_FLAGS.network;
      expect(flags(host, 'clone'), 'made with the process').to.not.equal(0);
      expect(flags(container, 'ns.unshare'), 'and not by it').to.equal(0);
      const request = container[position(container, 'netlink.request')];
      expect(request?.texts).to.deep.equal([redirect.text, redirect.bytes]);
      expect(request?.numbers).to.deep.equal([redirect.protocol, 0, 0]);
    }
  });

  it('Interfaces are made in the network namespace that the process makes, and come up after the settings', async () => {
    const request = (word: string) => ({ protocol: 0, bytes: Buffer.from(word), text: word });
    const bridges = {
      outside: [{ ...request('veth'), namespaceAt: 8 }],
      detach: request('detach'),
      frames: { add: request('frames'), remove: request('no frames') },
      inside: request('addresses'),
      sysctls: {},
      claims: [],
    };
    const options = { sysctls: { 'net.ipv6.conf.eth0.forwarding': '0' } };
    for (const wanted of [{}, { machine: systemdV2 }, { options: { userns: 'host' } as const }]) {
      const all = { ...wanted, bridges, options: { ...options, ...wanted.options } };
      const { host, container } = (await compiled(all)).program;
      const flags = (steps: readonly Step[], op: Opcode) =>
        Number(steps[position(steps, op)]?.numbers?.[0]) & NAMESPACE_FLAGS.network;
      expect(flags(host, 'clone'), 'not made with the process').to.equal(0);
      expect(position(container, 'ns.unshare'), 'its first step').to.equal(0);
      expect(flags(container, 'ns.unshare'), 'makes it').to.not.equal(0);
      const opened = host.findIndex(({ op, texts }) => op === 'ns.open' && texts?.[0] === 'net');
      expect(host[opened]?.numbers, 'waits for the first step').to.deep.equal([1]);
      const [frames, veth] = host.filter(({ op }) => op === 'netlink.request');
      expect([frames?.texts?.[0], veth?.texts?.[0]]).to.deep.equal(['frames', 'veth']);
      expect(veth?.slots).to.deep.equal(host[opened]?.slots);
      // The release that the container waits for before it configures them.
      const made = host.indexOf(veth ?? { op: 'clone' });
      const released = names(host.slice(0, made)).filter((op) => op === 'release').length;
      expect(host[made + 1]?.op).to.equal('release');
      const awaited = [...container.entries()].filter(([, { op }]) => op === 'await');
      const [at = 0] = awaited[released] ?? [];
      const next = names(container.slice(at, at + 3));
      expect(next).to.deep.equal(['await', 'sysctl.write', 'netlink.request']);
      expect(container[at + 2]?.texts?.[0]).to.equal('addresses');
      expect(position(container, 'mount.readonly')).to.be.greaterThan(at + 2);
    }
  });

  it('The program waits for what its connections meet, and the set-up of its root does not', async () => {
    const request = (word: string) => ({ protocol: 12, bytes: Buffer.from(word), text: word });
    const bridges = {
      outside: [],
      detach: request('detach'),
      inside: request('addresses'),
      sysctls: {},
      claims: [],
    };
    const policy = { add: request('policy'), remove: request('no policy'), denied: {} };
    const published = {
      sockets: request('sockets'),
      forwards: false,
      others: Buffer.of(0),
      publish: request('publish'),
      unpublish: request('unpublish'),
    };
    for (const wanted of [{}, { machine: systemdV2 }, { options: { init: false } }])
      for (const late of [{ policy }, { published }, { policy, published }]) {
        const all = { ...wanted, bridges: { ...bridges, ...late } };
        const { host, container } = (await compiled(all)).program;
        const made = host.flatMap(({ op, texts: [text] = [] }, at) =>
          op === 'netlink.request' && (text === 'policy' || text === 'publish') ? [at] : [],
        );
        expect(made, 'is made').to.have.length(Object.keys(late).length);
        expect(host.at(-1)?.op, 'then the container goes on').to.equal('release');
        const [first = 0] = made;
        expect(host[first - 1]?.op, 'as it did before').to.equal('release');
        expect(made.at(-1)).to.equal(host.length - 2);
        const count = (steps: readonly Step[], op: Opcode) =>
          names(steps).filter((each) => each === op).length;
        expect(count(container, 'await')).to.equal(count(host, 'release'));
        const last = names(container).lastIndexOf('await');
        const before = wanted.options?.init === false ? 'root.pivot' : 'init';
        expect(container[last - 1]?.op).to.equal(before);
        expect(position(container, 'exec')).to.be.greaterThan(last);
        for (const [at, { op }] of container.entries())
          if (op === 'seccomp.load' || op === 'stdio.set') expect(at, op).to.be.greaterThan(last);
      }
    const { container } = (await compiled({ bridges })).program;
    const pivot = position(container, 'root.pivot');
    expect(names(container).slice(pivot), 'without any of it').to.not.include('await');
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

describe('launch programs: the encoder', () => {
  const encoder = new Encoder();
  /** The bytes of a step's text, as the machine would find them. */
  function textAt(bytes: Buffer, step: number, index: number): Buffer {
    const offset = bytes.readUInt32LE(HEADER_SIZE + step * STEP_SIZE + 12 + 4 * index);
    const record = bytes.readUInt32LE(20) + offset;
    return bytes.subarray(record + 4, record + 4 + bytes.readUInt32LE(record));
  }

  function expectKept(texts: readonly string[]): void {
    const bytes = Buffer.from(encoder.encode(withTexts(texts)));
    texts.forEach((text, index) => {
      for (const step of [index, texts.length + 1 + index]) {
        expect(textAt(bytes, step, 0).equals(Buffer.from(text))).to.equal(true);
      }
    });
  }

  it('The encoder keeps odd texts', () => {
    expectKept(['', 'é', '𝄞', '\ud800', '\udc00x', 'a\uffff', '\ufeff', 'x'.repeat(100_000)]);
    expectKept(['ß'.repeat(95), 'ß'.repeat(97), 'x'.repeat(95) + '\ud800']);
    expectKept(['\u{1f600}'.repeat(100_000), 'short again']);
  });

  it('The encoder keeps any text', () => {
    fc.assert(fc.property(fc.array(anyText, { minLength: 1, maxLength: 6 }), expectKept), {
      numRuns: sampleSize(100),
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

  it('The encoder takes blobs as they are', () => {
    const blob = slotList([0, 1, 0xff00]);
    const host: Step[] = [{ op: 'release', texts: [blob] }, { op: 'clone' }];
    const container: Step[] = [{ op: 'exec', texts: ['a\0', '', ''] }];
    const bytes = encoded({ ...empty, host, container });
    expect(textAt(bytes, 0, 0).equals(Buffer.from(blob))).to.equal(true);
  });

  it('The encoder refuses what the machine would not take for its size', () => {
    const large = withTexts(['x'.repeat(3 << 20)]);
    expectError(() => encoder.encode(large), 'ERR_INVALID_PROGRAM', /larger than/);
  });
});
