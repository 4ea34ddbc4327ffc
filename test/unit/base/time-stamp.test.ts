import { expect } from 'chai';
import fc from 'fast-check';
import { show } from '../../../lib/base/check.js';
import {
  formatTimeStamp,
  nanosecondsOf,
  parseTimeStamp,
  parseUntil,
} from '../../../lib/base/time-stamp.js';
import { CaissonError } from '../../../lib/base/errors.js';
import { sampleSize } from '../../support/sample.js';

const NOW = Date.UTC(2026, 0, 31, 8);

function parsed(value: string | number | Date): string {
  return formatTimeStamp(parseTimeStamp('since', value, NOW));
}

describe('timestamps', () => {
  it('Timestamps are RFC 3339, with nanoseconds and zones', () => {
    expect(parsed('2026-01-31T08:00:00Z')).to.equal('2026-01-31T08:00:00.000000000Z');
    expect(parsed('2026-01-31T08:00:00.123456789Z')).to.equal('2026-01-31T08:00:00.123456789Z');
    expect(parsed('2026-01-31T08:00:00.5+01:30')).to.equal('2026-01-31T06:30:00.500000000Z');
    expect(parsed('2026-01-31T08:00:00-02:00')).to.equal('2026-01-31T10:00:00.000000000Z');
    expect(parsed('2024-02-29Z')).to.equal('2024-02-29T00:00:00.000000000Z');
  });

  it('Timestamps are local without a zone', () => {
    for (const [text, ...parts] of [
      ['2026-07-01', 2026, 6, 1],
      ['2026-07-01T08', 2026, 6, 1, 8],
      ['2026-07-01T08:09', 2026, 6, 1, 8, 9],
      ['2026-07-01T08:09:10', 2026, 6, 1, 8, 9, 10],
    ] as const) {
      const [year, month, day, hour = 0, minute = 0, second = 0] = parts as readonly number[];
      const local = new Date(year!, month!, day, hour, minute, second);
      expect(parsed(text), text).to.equal(parsed(local));
    }
  });

  it('Timestamps are seconds since 1970, as a number and as a text', () => {
    expect(parsed('1769846400')).to.equal('2026-01-31T08:00:00.000000000Z');
    expect(parsed('1769846400.000000001')).to.equal('2026-01-31T08:00:00.000000001Z');
    expect(parsed('1769846400.5')).to.equal('2026-01-31T08:00:00.500000000Z');
    expect(parsed(1769846400.25)).to.equal('2026-01-31T08:00:00.250000000Z');
    expect(parsed(1769846400.999999)).to.equal('2026-01-31T08:00:00.999999000Z');
    expect(parsed('0')).to.equal('1970-01-01T00:00:00.000000000Z');
  });

  it('Timestamps are durations before now, and behind a minus sign after it', () => {
    expect(parsed('10m')).to.equal('2026-01-31T07:50:00.000000000Z');
    expect(parsed('1h30m')).to.equal('2026-01-31T06:30:00.000000000Z');
    expect(parsed('1.5s')).to.equal('2026-01-31T07:59:58.500000000Z');
    expect(parsed('-10m')).to.equal('2026-01-31T08:10:00.000000000Z');
  });

  it('Timestamps are nothing else', () => {
    for (const value of [
      '',
      ' ',
      'yesterday',
      '10x',
      '--10m',
      '1m ',
      '2026-13-01',
      '2026-02-29',
      '2026-01-31T24:00:00Z',
      '2026-01-31T08:60:00Z',
      '2026-01-31 08:00:00',
      '2026-01-31T08:00:00+1',
      '2026-01-31T08:00:00+24:00',
      '2026-01-31T08:00:00.1234567890Z',
      '999999999999',
      '99999999h',
      -1,
      Infinity,
      NaN,
      1e15,
      new Date(NaN),
      new Date(-1),
      null,
      {},
      true,
    ]) {
      let error: unknown;
      try {
        parseTimeStamp('until', value as string, NOW);
      } catch (thrown) {
        error = thrown;
      }
      expect(error, show(value)).to.be.instanceOf(CaissonError);
      expect((error as CaissonError).code).to.equal('ERR_INVALID_OPTION');
      expect((error as CaissonError).path).to.equal('until');
    }
  });

  it('A range ends with the whole millisecond of a Date, and exactly at a moment that is written out', () => {
    expect(parseUntil('until', new Date(1500), NOW)).to.equal(1_500_999_999n);
    expect(parseUntil('until', 1.5, NOW)).to.equal(1_500_999_999n);
    expect(parseUntil('until', 1.500001, NOW)).to.equal(1_500_001_000n);
    expect(parseUntil('until', '1.5', NOW)).to.equal(1_500_000_000n);
  });

  it('Timestamps are written so that they can be read again, and sort as texts', () => {
    const time = fc.bigInt({ min: 0n, max: 253_402_300_799_999_999_999n });
    fc.assert(
      fc.property(time, time, (a, b) => {
        const [first, second] = [formatTimeStamp(a), formatTimeStamp(b)];
        expect(nanosecondsOf(first)).to.equal(a);
        expect(first < second).to.equal(a < b);
      }),
    );
  });

  it('The parser of timestamps never throws an error of another kind, whatever it is given', () => {
    const grammar = fc.string({ unit: fc.constantFrom(...'0129-:.TZ+hms '), maxLength: 30 });
    fc.assert(
      fc.property(fc.oneof(grammar, fc.anything()), (value) => {
        try {
          parseTimeStamp('since', value as string, NOW);
        } catch (error) {
          if (!(error instanceof CaissonError)) throw error;
        }
      }),
      { numRuns: sampleSize(2000) },
    );
  });
});
