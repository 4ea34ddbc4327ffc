import { expect } from 'chai';
import { ellipsis } from '../../../lib/docker/ellipsis.js';
import { bytesSize, humanDuration, humanSize, percentage } from '../../../lib/docker/go-units.js';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** The cases of go-units' own duration_test.go and size_test.go, and the edges between them. */
describe('durations', () => {
  const cases: readonly (readonly [number, string])[] = [
    [-5 * SECOND, 'Less than a second'],
    [0, 'Less than a second'],
    [450, 'Less than a second'],
    [999, 'Less than a second'],
    [SECOND, '1 second'],
    [1999, '1 second'],
    [45 * SECOND, '45 seconds'],
    [59_999, '59 seconds'],
    [60 * SECOND, 'About a minute'],
    [119_999, 'About a minute'],
    [2 * MINUTE, '2 minutes'],
    [3 * MINUTE + 40 * SECOND, '3 minutes'],
    [59 * MINUTE, '59 minutes'],
    [60 * MINUTE, 'About an hour'],
    [HOUR + 29 * MINUTE, 'About an hour'],
    [HOUR + 30 * MINUTE, '2 hours'],
    [3 * HOUR + 45 * MINUTE, '4 hours'],
    [47 * HOUR, '47 hours'],
    [48 * HOUR, '2 days'],
    [10 * DAY + 10 * HOUR, '10 days'],
    [13 * DAY, '13 days'],
    [14 * DAY, '2 weeks'],
    [59 * DAY, '8 weeks'],
    [60 * DAY, '2 months'],
    [400 * DAY, '13 months'],
    [2 * 365 * DAY - HOUR, '24 months'],
    [2 * 365 * DAY, '2 years'],
    [10 * 365 * DAY, '10 years'],
  ];
  for (const [time, text] of cases) {
    it(`The duration of ${time} ms is ${text}`, () => expect(humanDuration(time)).to.equal(text));
  }
});

describe('sizes', () => {
  it('Decimal sizes have three digits', () => {
    expect(humanSize(0)).to.equal('0B');
    expect(humanSize(999)).to.equal('999B');
    expect(humanSize(1000)).to.equal('1kB');
    expect(humanSize(1093)).to.equal('1.09kB');
    expect(humanSize(1024 ** 2)).to.equal('1.05MB');
    expect(humanSize(12_345_678)).to.equal('12.3MB');
    expect(humanSize(3.42 * 10 ** 12)).to.equal('3.42TB');
    expect(humanSize(999_949)).to.equal('1MB');
    expect(humanSize(2746.32, 4)).to.equal('2.746kB');
  });

  it('Binary sizes have four digits', () => {
    expect(bytesSize(0)).to.equal('0B');
    expect(bytesSize(1000)).to.equal('1000B');
    expect(bytesSize(1024)).to.equal('1KiB');
    expect(bytesSize(64 * 2 ** 20)).to.equal('64MiB');
    expect(bytesSize(1_572_864_000)).to.equal('1.465GiB');
    expect(bytesSize(1023.9 * 1024)).to.equal('1024KiB');
  });
});

describe('shares and long texts', () => {
  it('Shares have two decimals', () => {
    expect(percentage(0)).to.equal('0.00%');
    expect(percentage(12.3456)).to.equal('12.35%');
    expect(percentage(250.5)).to.equal('250.50%');
    expect(percentage(undefined)).to.equal('--');
    expect(percentage(Number.NaN)).to.equal('--');
  });

  it('Long texts are cut at the width', () => {
    expect(ellipsis('abc', 3)).to.equal('abc');
    expect(ellipsis('abcd', 3)).to.equal('ab…');
    expect(ellipsis('äöüß', 4)).to.equal('äöüß');
    expect(ellipsis('😀😀😀', 6)).to.equal('😀😀😀');
    expect(ellipsis('😀😀😀', 5)).to.equal('😀😀…');
    expect(ellipsis('😀😀😀', 4)).to.equal('😀…');
    expect(ellipsis('漢字x', 5)).to.equal('漢字x');
    expect(ellipsis('漢字xy', 5)).to.equal('漢字…');
    expect(ellipsis('x'.repeat(1000), 5)).to.equal('xxxx…');
  });
});
