/** Launch programs and the native side: the decoder. No container is started. */
import { expect } from 'chai';
import fc from 'fast-check';
import type { NativeError } from '../../lib/native/binding.js';
import { EVENT } from '../../lib/native/events.js';
import { loadNative } from '../../lib/native/load.js';
import { Encoder, HEADER_SIZE, slotList, STEP_SIZE } from '../../lib/program/encode.js';
import {
  OPCODE_NUMBERS,
  OPCODES,
  type Program,
  type Step,
} from '../../lib/program/instructions.js';
import { compiled, encoded, empty, CASES, anyText, withTexts } from '../support/launch-programs.js';
import { compiledExec, EXEC_CASES } from '../support/exec-programs.js';
import { verdict } from '../support/program-verdict.js';

const binding = loadNative();
const EINVAL = 22;
const BEFORE_FIRST_STEP = 0xffff_ffff;

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

describe('launch programs: what the machine takes', () => {
  for (const [title, what] of Object.entries(CASES)) {
    it(`The machine takes what was compiled: ${title}`, async () => {
      await expectAccepted((await compiled(what)).program);
    });
  }

  for (const [title, [options, input]] of Object.entries(EXEC_CASES)) {
    it(`The machine takes what was compiled for an exec: ${title}`, async () => {
      const { program } = compiledExec(options, input);
      expect(await verdict(encoded(program))).to.equal(null);
    });
  }

  const encoder = new Encoder();
  async function expectTaken(texts: readonly string[]): Promise<void> {
    expect(await verdict(encoder.encode(withTexts(texts)))).to.equal(null);
  }

  it('The machine takes odd texts', async () => {
    await expectTaken([
      '',
      'é',
      '𝄞',
      '\ud800',
      '\udc00x',
      'a\uffff',
      '\ufeff',
      'x'.repeat(100_000),
    ]);
    await expectTaken(['ß'.repeat(95), 'ß'.repeat(97), 'x'.repeat(95) + '\ud800']);
    await expectTaken(['\u{1f600}'.repeat(100_000), 'short again']);
  });

  it('The machine takes any text', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyText, { minLength: 1, maxLength: 6 }), expectTaken),
      { numRuns: 100 },
    );
  });

  it('The machine takes blobs', async () => {
    const host: Step[] = [{ op: 'release', texts: [slotList([0, 1, 0xff00])] }, { op: 'clone' }];
    const container: Step[] = [{ op: 'exec', texts: ['a\0', '', ''] }];
    expect(await verdict(encoded({ ...empty, host, container }))).to.equal(null);
  });
});
