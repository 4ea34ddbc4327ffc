import { expect } from 'chai';
import { parseList } from '../../../lib/base/cpu-list.js';
import { parseSignal } from '../../../lib/base/signals.js';
import { parseCpus, parseDuration, parseRate, parseSize } from '../../../lib/base/units.js';
import { expectError } from '../support/expect-error.js';

describe('sizes', () => {
  const cases: readonly (readonly [string, number])[] = [
    ['0', 0],
    ['32', 32],
    ['32b', 32],
    ['32B', 32],
    ['32k', 32 * 1024],
    ['32K', 32 * 1024],
    ['32kb', 32 * 1024],
    ['32kib', 32 * 1024],
    ['32KiB', 32 * 1024],
    ['32 kb', 32 * 1024],
    ['64m', 64 * 2 ** 20],
    ['1.5g', 1.5 * 2 ** 30],
    ['.5m', 2 ** 19],
    ['2.m', 2 ** 21],
    ['1t', 2 ** 40],
    ['2p', 2 ** 51],
    ['1.0000001k', 1024],
  ];
  for (const [text, bytes] of cases) {
    it(`The size ${text} is read`, () => expect(parseSize('memory', text)).to.equal(bytes));
  }
  for (const text of [
    '',
    'x',
    '1x',
    '1kbb',
    '1bb',
    '1ik',
    'm',
    '1  m',
    ' 1m',
    '1m ',
    '1e3',
    '0x10',
    '1,5m',
    '.',
    '٣m',
  ]) {
    it(`The size ${JSON.stringify(text)} is refused`, () => {
      expectError(() => parseSize('memory', text), 'ERR_INVALID_OPTION', /^memory: /);
    });
  }
  it('An error says that a size is negative', () => {
    expectError(
      () => parseSize('memory', '-1m'),
      'ERR_INVALID_OPTION',
      /memory: "-1m" is negative/,
    );
    expectError(() => parseSize('memory', -5), 'ERR_INVALID_OPTION', /memory: -5 is negative/);
  });
  it('A size that a number cannot hold is refused', () => {
    expectError(() => parseSize('memory', '9000p'), 'ERR_INVALID_OPTION', /too large/);
    expectError(() => parseSize('memory', 1.5), 'ERR_INVALID_OPTION', /whole number/);
    expectError(() => parseSize('memory', Number.NaN), 'ERR_INVALID_OPTION', /whole number/);
    expectError(() => parseSize('memory', {} as string), 'ERR_INVALID_OPTION', /not a size/);
  });
});

describe('processors', () => {
  it('Decimals are read exactly', () => {
    expect(parseCpus('cpus', '0.1')).to.equal(100_000_000);
    expect(parseCpus('cpus', 0.3)).to.equal(300_000_000);
    expect(parseCpus('cpus', '1.000000001')).to.equal(1_000_000_001);
    expect(parseCpus('cpus', '.5')).to.equal(500_000_000);
    expect(parseCpus('cpus', 2)).to.equal(2_000_000_000);
    expect(parseCpus('cpus', '2.10000000000')).to.equal(2_100_000_000);
  });
  it('Other numbers of processors are refused', () => {
    for (const text of ['', '.', 'abc', '1.0000000001', '1e1', '1/2', ' 1']) {
      expectError(() => parseCpus('cpus', text), 'ERR_INVALID_OPTION', /^cpus: /);
    }
    expectError(() => parseCpus('cpus', -1), 'ERR_INVALID_OPTION', /negative/);
    expectError(
      () => parseCpus('cpus', Number.POSITIVE_INFINITY),
      'ERR_INVALID_OPTION',
      /not a number/,
    );
  });
});

describe('durations', () => {
  it('Durations are read in Go’s spelling', () => {
    expect(parseDuration('timeout', '1m30s')).to.equal(90_000);
    expect(parseDuration('timeout', '500ms')).to.equal(500);
    expect(parseDuration('timeout', '1.5s')).to.equal(1500);
    expect(parseDuration('timeout', 250)).to.equal(250);
  });
  it('Other durations are refused', () => {
    for (const text of ['', '5', 's', '1d', '-1s', '1s ']) {
      expectError(() => parseDuration('timeout', text), 'ERR_INVALID_OPTION', /^timeout: /);
    }
  });
});

describe('rates', () => {
  it('A rate is read as a device and a rate', () => {
    expect(parseRate('deviceReadBps', '/dev/sda:1m', 'bps')).to.deep.equal({
      path: '/dev/sda',
      rate: 2 ** 20,
    });
    expect(parseRate('deviceReadBps', { path: '/dev/sda', rate: 5 }, 'bps')).to.deep.equal({
      path: '/dev/sda',
      rate: 5,
    });
    expect(parseRate('deviceReadIops', '/dev/disk/by-id/a:b:10', 'iops')).to.deep.equal({
      path: '/dev/disk/by-id/a:b',
      rate: 10,
    });
  });
  it('Other rates are refused', () => {
    for (const text of [
      '',
      '/dev/sda',
      '/dev/sda:',
      ':1m',
      'sda:1m',
      '/dev/sda:0',
      '/dev/sda:-1',
      '/tmp/x:1m',
    ]) {
      expectError(
        () => parseRate('deviceReadBps', text, 'bps'),
        'ERR_INVALID_OPTION',
        /^deviceReadBps: /,
      );
    }
    expectError(
      () => parseRate('deviceReadIops', '/dev/sda:1m', 'iops'),
      'ERR_INVALID_OPTION',
      /operations/,
    );
  });
});

describe('lists of processors', () => {
  it('Lists of processors are read in the kernel’s format', () => {
    expect([...(parseList('0-2,5') ?? [])]).to.deep.equal([0, 1, 2, 5]);
    expect([...(parseList('0-7:2/4') ?? [])]).to.deep.equal([0, 1, 4, 5]);
    expect(parseList('')?.size).to.equal(0);
  });
  it('Other lists are undefined', () => {
    for (const text of [
      'a',
      '1-',
      '-1',
      '2-1',
      '1,,2',
      ',',
      '0-3/2',
      '0-3:2/1',
      '0-3:1/0',
      '3:1/2',
      ' 1',
    ])
      expect(parseList(text), text).to.equal(undefined);
  });
});

describe('signals', () => {
  it('Signals are known by names and numbers, real-time signals too', () => {
    expect(parseSignal('stopSignal', 'TERM')).to.equal(15);
    expect(parseSignal('stopSignal', 'sigkill')).to.equal(9);
    expect(parseSignal('stopSignal', 1)).to.equal(1);
    expect(parseSignal('stopSignal', '15')).to.equal(15);
    expect(parseSignal('stopSignal', 'RTMIN+1')).to.equal(35);
    expect(parseSignal('stopSignal', 'SIGRTMAX-1')).to.equal(63);
  });
  it('Other signals are refused', () => {
    for (const value of ['', 'NOPE', 0, 65, -1, 'RTMIN+31', 'RTMIN-1', '15x', 'toString']) {
      expectError(() => parseSignal('stopSignal', value), 'ERR_INVALID_OPTION', /^stopSignal: /);
    }
  });
});
