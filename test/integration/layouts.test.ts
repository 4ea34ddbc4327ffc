/** What C++ and TypeScript both write by hand is the same on both sides. */
import { expect } from 'chai';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { MAX_CLIENTS } from '../../lib/engine/container/supervisor-client.js';
import {
  ATTACH,
  ERROR_RECORD,
  ERROR_SIZE,
  MAX_PAYLOAD,
  REPLY,
  REQUEST,
} from '../../lib/engine/supervisor/supervisor-connection.js';
import {
  POLICY_NUMBERS,
  SUPERVISOR_FLAGS,
  SUPERVISOR_HEADER,
  SUPERVISOR_HEADER_SIZE,
  SUPERVISOR_MAGIC,
  SUPERVISOR_TEXTS,
} from '../../lib/engine/supervisor/supervisor-config.js';
import { BEFORE_FIRST_STEP } from '../../lib/engine/start/failure.js';
import { EVENT, EXECUTED } from '../../lib/native/events.js';
import { STAYING } from '../../lib/program/compile-exec.js';
import {
  FAULTS,
  HEADER,
  HEADER_SIZE,
  MAX_PROGRAM_SIZE,
  PROGRAM_MAGIC,
  PROGRAM_VERSION,
  STEP,
  STEP_SIZE,
} from '../../lib/program/encode.js';
import { OPCODES, PHASES } from '../../lib/program/instructions.js';
import { debugNative } from '../support/paths.js';

/** What C++ and TypeScript both write by hand, as C++ has it (cpp/addon/layouts.h). */
interface NativeLayouts {
  /** In the order of their numbers; `phases` has a bit for each phase. */
  readonly instructions: readonly { readonly name: string; readonly phases: number }[];
  readonly enums: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly structs: Readonly<
    Record<
      string,
      {
        readonly size: number;
        /** Of its fields. */
        readonly offsets: Readonly<Record<string, number>>;
        readonly sizes: Readonly<Record<string, number>>;
      }
    >
  >;
  readonly constants: Readonly<Record<string, number>>;
}

/** Names and their places in a list. */
function numbered(names: readonly string[]): Record<string, number> {
  return Object.fromEntries(names.map((name, number) => [name, number]));
}

describe('The layouts of C++ and TypeScript', () => {
  let native: NativeLayouts;
  before(() => {
    const require = createRequire(import.meta.url);
    native = (require(join(debugNative, 'caisson.node')) as { layouts(): NativeLayouts }).layouts();
  });

  it('The instruction set is the same', () => {
    expect(native.instructions.map(({ name }) => name)).to.deep.equal([...OPCODES]);
  });

  it('Every instruction is allowed in some phase', () => {
    for (const { name, phases } of native.instructions.slice(1))
      expect(phases, name).to.be.within(1, 7);
  });

  const enumerations: Readonly<Record<string, Readonly<Record<string, number>>>> = {
    Attachment: ATTACH,
    Event: EVENT,
    Fault: { none: 0, ...FAULTS },
    Phase: numbered(PHASES),
    Reply: REPLY,
    Request: REQUEST,
    RestartPolicy: POLICY_NUMBERS,
    Staying: STAYING,
    SupervisorFlag: SUPERVISOR_FLAGS,
    SupervisorText: numbered(SUPERVISOR_TEXTS),
  };
  it('There are no other enumerations', () => {
    expect(Object.keys(native.enums)).to.have.members(Object.keys(enumerations));
  });
  for (const [name, numbers] of Object.entries(enumerations)) {
    it(`The numbers of ${name} are the same`, () => {
      expect(native.enums[name]).to.deep.equal(numbers);
    });
  }

  const records = {
    ErrorRecord: { offsets: ERROR_RECORD, size: ERROR_SIZE },
    Header: { offsets: HEADER, size: HEADER_SIZE },
    Step: { offsets: STEP, size: STEP_SIZE },
    SupervisorHeader: { offsets: SUPERVISOR_HEADER, size: SUPERVISOR_HEADER_SIZE },
  };
  it('There are no other structs', () => {
    expect(Object.keys(native.structs)).to.have.members(Object.keys(records));
  });
  for (const [name, { offsets, size }] of Object.entries(records)) {
    it(`The fields of ${name} are at the same places`, () => {
      expect(native.structs[name]?.offsets).to.deep.equal(offsets);
      expect(native.structs[name]?.size).to.equal(size);
    });

    it(`The fields of ${name} are all of it, without a gap`, () => {
      const sizes = native.structs[name]?.sizes ?? {};
      let end = 0;
      for (const [field, offset] of Object.entries(native.structs[name]?.offsets ?? {})) {
        expect(offset, field).to.equal(end);
        end += sizes[field] ?? 0;
      }
      expect(end).to.equal(size);
    });
  }

  it('There is room in a supervisor header for as many texts as there are', () => {
    expect(native.structs['SupervisorHeader']?.sizes['text']).to.equal(4 * SUPERVISOR_TEXTS.length);
  });

  it('The constants are the same', () => {
    expect(native.constants).to.deep.equal({
      programMagic: PROGRAM_MAGIC,
      programVersion: PROGRAM_VERSION,
      maxProgramSize: MAX_PROGRAM_SIZE,
      supervisorMagic: SUPERVISOR_MAGIC,
      maxPayload: MAX_PAYLOAD,
      maxClients: MAX_CLIENTS,
      executed: EXECUTED,
      beforeFirstStep: BEFORE_FIRST_STEP,
    });
  });
});
