import { expect } from 'chai';
import fc from 'fast-check';
import { compileDeviceRules } from '../../../../lib/cgroup/limits/device-filter.js';
import { DEVICE_RULES, ALL_DEVICES } from '../../../../lib/engine/spec/default-spec.js';
import type { LinuxDeviceCgroup } from '../../../../lib/oci/runtime-spec.js';
import { sampleSize } from '../../../support/sample.js';

const RIGHTS = ['m', 'r', 'w'] as const;

interface Request {
  readonly type: 'b' | 'c';
  readonly major: number;
  readonly minor: number;
  /** 1 to 7: bits of RIGHTS. */
  readonly asked: number;
}

/** What the rules mean: for each right that is asked for, the last rule that speaks of it. */
function granted(rules: readonly LinuxDeviceCgroup[], request: Request): boolean {
  return RIGHTS.every((right, bit) => {
    if ((request.asked & (1 << bit)) === 0) return true;
    const rule = rules.findLast(
      ({ type = 'a', major = -1, minor = -1, access = 'rwm' }) =>
        (type === 'a' || type === request.type) &&
        (major < 0 || major === request.major) &&
        (minor < 0 || minor === request.minor) &&
        access.includes(right),
    );
    return rule?.allow ?? true;
  });
}

/** What the kernel would do with the program: the few instructions that are used, and no others. */
function run(program: Uint8Array, { type, major, minor, asked }: Request): boolean {
  const view = new DataView(program.buffer);
  const context = [(asked << 16) | (type === 'b' ? 1 : 2), major, minor];
  const registers = [0, 0, 0, 0, 0, 0].map((zero) => zero >>> 0);
  for (let at = 0, steps = 0; steps < 10_000; steps++) {
    const operation = view.getUint8(at * 8);
    const target = view.getUint8(at * 8 + 1) & 15;
    const source = view.getUint8(at * 8 + 1) >> 4;
    const offset = view.getInt16(at * 8 + 2, true);
    const immediate = view.getUint32(at * 8 + 4, true);
    const value = registers[target]!;
    at++;
    if (operation === 0x95) return registers[0] === 1;
    else if (operation === 0x61) registers[target] = context[offset / 4]!;
    else if (operation === 0x54) registers[target] = (value & immediate) >>> 0;
    else if (operation === 0x74) registers[target] = value >>> immediate;
    else if (operation === 0xb4) registers[target] = immediate;
    else if (operation === 0xbc) registers[target] = registers[source]!;
    else if (operation === 0x05) at += offset;
    else if (operation === 0x56) at += value === immediate ? 0 : offset;
    else if (operation === 0x46) at += (value & immediate) === 0 ? 0 : offset;
    else throw new Error(`no such instruction: ${operation}`);
    expect(offset, 'jumps go forward').to.be.at.least(0);
  }
  throw new Error('the program does not end');
}

/** Every instruction can be reached, as the kernel demands. */
function unreachable(program: Uint8Array): number[] {
  const view = new DataView(program.buffer);
  const seen = new Set<number>();
  const todo = [0];
  for (let at = todo.pop(); at !== undefined; at = todo.pop()) {
    if (seen.has(at)) continue;
    seen.add(at);
    const operation = view.getUint8(at * 8);
    const offset = view.getInt16(at * 8 + 2, true);
    if (operation === 0x95) continue;
    if (operation === 0x05) todo.push(at + 1 + offset);
    else if ((operation & 0x07) === 0x06) todo.push(at + 1, at + 1 + offset);
    else todo.push(at + 1);
  }
  expect(Math.max(...seen)).to.be.below(program.length / 8);
  return Array.from({ length: program.length / 8 }, (_, at) => at).filter((at) => !seen.has(at));
}

describe('the device filter', () => {
  const device = (type: 'b' | 'c', major: number, minor: number, asked: number) => ({
    type,
    major,
    minor,
    asked,
  });

  it('The filter of the default rules gives the default devices, and lets nodes be made', () => {
    const program = compileDeviceRules(DEVICE_RULES)!;
    expect(run(program, device('c', 1, 3, 6))).to.equal(true);
    expect(run(program, device('c', 136, 17, 6))).to.equal(true);
    expect(run(program, device('b', 8, 0, 1))).to.equal(true);
    expect(run(program, device('b', 8, 0, 2))).to.equal(false);
    expect(run(program, device('c', 1, 1, 4))).to.equal(false);
    expect(run(program, device('c', 10, 200, 7))).to.equal(false);
    expect(program.length / 8).to.be.below(100);
  });

  it('The filter is none where everything is granted', () => {
    expect(compileDeviceRules([])).to.equal(undefined);
    expect(compileDeviceRules(ALL_DEVICES)).to.equal(undefined);
    expect(compileDeviceRules([{ allow: false, access: 'rwm' }, ...ALL_DEVICES])).to.equal(
      undefined,
    );
  });

  it('The filter adds rights that are granted one by one', () => {
    const program = compileDeviceRules([
      { allow: false },
      { allow: true, type: 'c', major: 1, minor: 5, access: 'r' },
      { allow: true, type: 'c', major: 1, minor: 5, access: 'w' },
    ])!;
    expect(run(program, device('c', 1, 5, 6))).to.equal(true);
    expect(run(program, device('c', 1, 5, 7))).to.equal(false);
  });

  it('The filter refuses rights that are none', () => {
    const rules = [{ allow: true, type: 'c', access: 'x' }] as const;
    expect(() => compileDeviceRules(rules))
      .to.throw('access "x"')
      .with.property('code', 'ERR_INVALID_OPTION');
  });

  it('The filter decides as the rules say, whatever they are', () => {
    const small = fc.constantFrom(0, 1, 2, 0xffff_ffff);
    const rule: fc.Arbitrary<LinuxDeviceCgroup> = fc.record(
      {
        allow: fc.boolean(),
        type: fc.constantFrom('a', 'b', 'c'),
        major: fc.constantFrom(-1, 0, 1, 2, 0xffff_ffff),
        minor: fc.constantFrom(-1, 0, 1, 2, 0xffff_ffff),
        access: fc.constantFrom('r', 'w', 'm', 'rw', 'rm', 'wm', 'rwm', 'mr'),
      },
      { requiredKeys: ['allow'] },
    );
    const request: fc.Arbitrary<Request> = fc.record({
      type: fc.constantFrom('b' as const, 'c' as const),
      major: small,
      minor: small,
      asked: fc.integer({ min: 1, max: 7 }),
    });
    fc.assert(
      fc.property(
        fc.array(rule, { maxLength: 12 }),
        fc.array(request, { minLength: 1, maxLength: 20 }),
        (rules, requests) => {
          const program = compileDeviceRules(rules);
          if (program !== undefined) expect(unreachable(program)).to.deep.equal([]);
          for (const asked of requests) {
            const verdict = program === undefined || run(program, asked);
            expect(verdict, JSON.stringify(asked)).to.equal(granted(rules, asked));
          }
        },
      ),
      { numRuns: sampleSize(2000) },
    );
  });
});
