import { expect } from 'chai';
import { nanoseconds, parseMoment } from '../../lib/engine/moments.js';
import { expectError } from './support/expect-error.js';

const NOW = new Date('2026-03-01T12:00:00.000Z');

function iso(text: string | number | Date): string {
  const moment = parseMoment('since', text, NOW);
  const seconds = new Date(Number(moment / 1_000_000_000n) * 1000).toISOString().slice(0, 19);
  return `${seconds}.${String(moment % 1_000_000_000n).padStart(9, '0')}Z`;
}

describe('points in time', () => {
  it('can be so long ago', () => {
    expect(iso('10m')).to.equal('2026-03-01T11:50:00.000000000Z');
    expect(iso('1h30m')).to.equal('2026-03-01T10:30:00.000000000Z');
    expect(iso('1.5s')).to.equal('2026-03-01T11:59:58.500000000Z');
    expect(iso('-10m')).to.equal('2026-03-01T12:10:00.000000000Z');
  });

  it('can be seconds since 1970', () => {
    expect(iso('1136073845')).to.equal('2006-01-01T00:04:05.000000000Z');
    expect(iso('1136073845.000000001')).to.equal('2006-01-01T00:04:05.000000001Z');
    expect(iso('1136073845.5')).to.equal('2006-01-01T00:04:05.500000000Z');
    expect(iso(1136073845)).to.equal('2006-01-01T00:04:05.000000000Z');
    expect(iso(NOW)).to.equal('2026-03-01T12:00:00.000000000Z');
  });

  it('can be dates, to the nanosecond', () => {
    expect(iso('2026-01-31T12:30:00Z')).to.equal('2026-01-31T12:30:00.000000000Z');
    expect(iso('2026-01-31T12:30:00.123456789Z')).to.equal('2026-01-31T12:30:00.123456789Z');
    expect(iso('2026-01-31T12:30:00+02:00')).to.equal('2026-01-31T10:30:00.000000000Z');
    expect(iso('2024-02-29T00:00:00Z')).to.equal('2024-02-29T00:00:00.000000000Z');
  });

  it('are local without a zone', () => {
    const local = new Date(2026, 0, 31, 12, 30).toISOString();
    expect(iso('2026-01-31T12:30').slice(0, 19)).to.equal(local.slice(0, 19));
    expect(iso('2026-01-31 12:30:00').slice(0, 19)).to.equal(local.slice(0, 19));
    expect(iso('2026-01-31').slice(0, 19)).to.equal(
      new Date(2026, 0, 31).toISOString().slice(0, 19),
    );
  });

  for (const text of [
    '',
    'abc',
    '10x',
    '2026-02-30',
    '2026-13-01T00:00:00Z',
    '2026-01-01T25:00Z',
    '1.2.3',
    '--1m',
    '9'.repeat(13),
    Number.NaN,
    new Date(NaN),
  ]) {
    it(`cannot be ${String(text)}`, () => {
      expectError(
        () => parseMoment('since', text, NOW),
        'ERR_INVALID_OPTION',
        /^since: .* is not a point in time/,
      );
    });
  }

  it('are read from what was stored', () => {
    expect(nanoseconds('1970-01-01T00:00:01.000000002Z')).to.equal(1_000_000_002n);
    expect(nanoseconds('1970-01-01T00:00:01.5Z')).to.equal(1_500_000_000n);
    expect(nanoseconds('1970-01-01T00:00:01Z')).to.equal(1_000_000_000n);
    expect(() => nanoseconds('')).to.throw(RangeError);
  });
});
