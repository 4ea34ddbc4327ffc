/** Seeds of the fuzzers that read launch programs: encoded, so they follow the instruction set. */
import { Encoder } from '../../lib/program/encode.js';
import type { Program } from '../../lib/program/instructions.js';
import { appendedTexts, Template } from '../../lib/program/template.js';
import { OwnTexts } from '../../lib/program/own-texts.js';
import { empty, encoded } from './launch-programs.js';

const launch: Program = {
  slots: 2,
  host: [
    { op: 'dir.make', texts: ['/a'], numbers: [0o700] },
    { op: 'file.open', slots: [0], texts: ['/a/b'] },
    { op: 'clone', slots: [0] },
    { op: 'netlink.request', texts: ['link', new Uint8Array(16)] },
    { op: 'release' },
  ],
  container: [
    { op: 'await' },
    { op: 'mount.fs', slots: [1], texts: ['proc', undefined, '/proc'] },
    { op: 'exec', texts: ['true\0', 'A=b\0', '/bin'] },
  ],
  teardown: [],
};
const teardown: Program = {
  ...empty,
  teardown: [
    { op: 'cgroup.remove', texts: ['/a/b'] },
    { op: 'claim.release', texts: ['/c/d', '/c'] },
    { op: 'claim.release', texts: ['/e'] },
    { op: 'tree.remove', texts: ['/a'] },
  ],
};

/** By fuzzer and name: what is in test/native/seeds. */
export function fuzzSeeds(): Readonly<Record<string, Buffer>> {
  return {
    'program/launch': encoded(launch),
    'program/teardown': encoded(teardown),
    'template/teardown': templateSeed(),
  };
}

/** As fuzz_template.cpp reads it. */
function templateSeed(): Buffer {
  const own = new OwnTexts();
  const first = own.take('/a/b');
  const last = own.take('/a');
  const program: Program = {
    ...empty,
    teardown: [
      { op: 'cgroup.remove', texts: [first] },
      { op: 'tree.remove', texts: [last] },
    ],
  };
  const template = new Template(program, new Encoder());
  const appended = appendedTexts(template, new Encoder(), own);
  return Buffer.concat([
    Buffer.of(template.patches.length / 3, ...template.patches),
    Buffer.of(template.bytes.length),
    template.bytes,
    Buffer.of(appended.length),
    appended,
  ]);
}
