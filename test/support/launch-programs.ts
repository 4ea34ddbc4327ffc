/** Launch programs as the engine compiles them, with a machine, a user and a filter that are always the same. */
import { expect } from 'chai';
import fc from 'fast-check';
import { detectCgroups } from '../../lib/cgroup/detect.js';
import { planCgroups } from '../../lib/cgroup/limits/plan.js';
import { normalize } from '../../lib/engine/options/config.js';
import { injectedFiles } from '../../lib/engine/spec/files.js';
import type { RunOptions } from '../../lib/engine/options/options.js';
import { hostnameOf, toSpec } from '../../lib/engine/spec/to-spec.js';
import { labelsFor } from '../../lib/host/selinux.js';
import { compile, type Launchable } from '../../lib/program/compile.js';
import { Encoder, HEADER, HEADER_SIZE, STEP, STEP_SIZE } from '../../lib/program/encode.js';
import type { Opcode, Program, Step } from '../../lib/program/instructions.js';
import type { LaunchInput, LayerPlan, RootPlan } from '../../lib/program/launch-input.js';
import { anyCodePoint } from './code-points.js';
import {
  comountedV1,
  hybrid,
  type Machine,
  nothing,
  readersOf,
  systemdV2,
} from './cgroup-machines.js';

export const ID = '3a'.repeat(32);
export const BASE = 1_000_000;
export const SIZE = 65_536;

export const overlay: RootPlan = {
  kind: 'overlay',
  lowers: ['/images/top', '/images/bottom'],
  views: [{ from: '.', to: '/' }],
  readOnly: false,
};
export const views: RootPlan = {
  kind: 'overlay',
  lowers: ['/images/host'],
  views: [
    { from: '.root', to: '/' },
    { from: '.', to: '/usr' },
  ],
  readOnly: false,
};
export const direct: RootPlan = { kind: 'direct', path: '/images/tree', readOnly: true };

export const image: LayerPlan = {
  kind: 'image',
  file: 'layer.img',
  type: 'ext4',
  options: 'cleanUp',
};

export interface Wanted {
  readonly layer?: LayerPlan;
  readonly options?: RunOptions;
  readonly machine?: Machine;
  readonly root?: RootPlan;
  readonly id?: string;
  readonly base?: number;
  readonly uid?: number;
  readonly resolver?: LaunchInput['resolver'];
  readonly bridges?: LaunchInput['bridges'];
}

/** As the engine does it, with a machine, a user and a filter that are always the same. */
export async function compiled({
  options = {},
  machine = hybrid,
  root = overlay,
  layer,
  id = ID,
  base = BASE,
  uid = 7,
  resolver,
  bridges,
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
      resolver,
      bridges,
      stdin: config.stdin,
      stdout: config.stdout,
      stderr: config.stderr,
      terminal: config.terminal,
    },
    { overlayByDescriptor: true },
  );
}

export const names = (steps: readonly Step[]): string[] => steps.map(({ op }) => op);

export function position(steps: readonly Step[], op: Opcode): number {
  const at = steps.findIndex((step) => step.op === op);
  expect(at, op).to.be.at.least(0);
  return at;
}

export function encoded(program: Program): Buffer {
  return Buffer.from(new Encoder().encode(program));
}

/** The steps of encoded programs, wherever their texts are. */
export function decoded(bytes: Uint8Array): unknown {
  const program = Buffer.from(bytes);
  const arena = program.readUInt32LE(HEADER.arena);
  const textAt = (offset: number) => {
    if (offset === 0) return undefined;
    const start = arena + offset + 4;
    return program.toString('latin1', start, start + program.readUInt32LE(start - 4));
  };
  const steps = [];
  for (let at = HEADER_SIZE; at < arena; at += STEP_SIZE)
    steps.push({
      op: program.readUInt16LE(at + STEP.op),
      slots: [0, 1, 2, 3].map((place) => program.readInt16LE(at + STEP.slot + 2 * place)),
      texts: [0, 1, 2, 3].map((place) => textAt(program.readUInt32LE(at + STEP.text + 4 * place))),
      numbers: program.subarray(at + STEP.number, at + STEP_SIZE).toString('hex'),
    });
  return { phases: program.subarray(HEADER.slots, HEADER.arena).toString('hex'), steps };
}

export const empty: Program = { slots: 0, host: [], container: [], teardown: [] };

/** Starts that differ in what they compile to. */
export const CASES: Readonly<Record<string, Wanted>> = {
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

/** A program with these texts in both of its phases. */
export const withTexts = (texts: readonly string[]): Program => ({
  ...empty,
  host: [...texts.map((text): Step => ({ op: 'dir.make', texts: [text] })), { op: 'clone' }],
  container: texts.map((text): Step => ({ op: 'exec', texts: [text, text, text] })),
});

const unit = fc.integer({ min: 1, max: 0xffff }).map((code) => String.fromCharCode(code));
/** What a text may be: any characters but NUL, halves of surrogate pairs too, short and long. */
export const anyText = fc.oneof(
  fc.string({ unit: anyCodePoint, maxLength: 300 }).map((s) => s.replaceAll('\0', '')),
  fc.string({ unit, maxLength: 200 }),
  fc.tuple(unit, fc.nat(100_000)).map(([one, times]) => one.repeat(times)),
);
