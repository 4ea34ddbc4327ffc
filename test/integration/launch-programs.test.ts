/** Launch programs and the native side: the decoder, templates in the addon. No container is started. */
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
import {
  CommandTemplate,
  type Identity,
  instantiate,
  PLACEHOLDER,
  Template,
  withCommand,
} from '../../lib/program/template.js';
import { systemdV2 } from '../support/cgroup-machines.js';

import {
  ID,
  BASE,
  views,
  type Wanted,
  compiled,
  encoded,
  empty,
  CASES,
  anyText,
  withTexts,
} from '../support/launch-programs.js';
import { compiledExec, EXEC_CASES } from '../support/exec-programs.js';

const binding = loadNative();
const EINVAL = 22;
const BEFORE_FIRST_STEP = 0xffff_ffff;

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
