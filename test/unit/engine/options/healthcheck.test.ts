import { expect } from 'chai';
import { parseRun } from '../../../../lib/cli/args/run-invocation.js';
import { type CreateOptions, splitOptions } from '../../../../lib/engine/options/create-options.js';
import {
  type Healthcheck,
  testCommand,
  withDefaults,
} from '../../../../lib/engine/options/healthcheck.js';
import {
  encodeSupervisorConfig,
  SUPERVISOR_HEADER,
  SUPERVISOR_HEADER_SIZE,
  SUPERVISOR_TEXTS,
  type SupervisorConfig,
} from '../../../../lib/engine/supervisor/supervisor-config.js';
import { expectError } from '../../support/expect-error.js';

const NOTHING_SAID = { interval: 0, timeout: 0, startPeriod: 0, startInterval: 0, retries: 0 };

function parse(healthcheck: unknown): Healthcheck | undefined {
  return splitOptions({ healthcheck } as CreateOptions).detached.healthcheck;
}

describe('the options of a health check', () => {
  it('Options are kept as they were given', () => {
    expect(parse(undefined)).to.equal(undefined);
    expect(parse({ test: 'x | y' })).to.deep.equal({ test: 'x | y', ...NOTHING_SAID });
    expect(
      parse({
        test: ['a', ''],
        interval: 1,
        timeout: '1m30s',
        startPeriod: '500ms',
        startInterval: 2_000_000_000,
        retries: 7,
      }),
    ).to.deep.equal({
      test: ['a', ''],
      interval: 1,
      timeout: 90_000,
      startPeriod: 500,
      startInterval: 2_000_000_000,
      retries: 7,
    });
  });

  it('Options have Docker’s defaults', () => {
    const check: Healthcheck = { test: 'x', ...NOTHING_SAID };
    expect(withDefaults(check)).to.deep.equal({
      test: 'x',
      interval: 30_000,
      timeout: 30_000,
      startPeriod: 0,
      startInterval: 5000,
      retries: 3,
    });
    const said = {
      test: 'x',
      interval: 1,
      timeout: 2,
      startPeriod: 3,
      startInterval: 4,
      retries: 5,
    };
    expect(withDefaults(said)).to.deep.equal(said);
  });

  it('A text becomes the command line of a shell', () => {
    expect(testCommand({ test: 'a b', ...NOTHING_SAID })).to.deep.equal(['/bin/sh', '-c', 'a b']);
    expect(testCommand({ test: ['a b'], ...NOTHING_SAID })).to.deep.equal(['a b']);
  });

  const wrong: readonly (readonly [unknown, RegExp])[] = [
    [null, /^healthcheck: null is not an object/],
    ['true', /^healthcheck: "true" is not an object/],
    [['true'], /^healthcheck: \["true"\] is not an object/],
    [{}, /^healthcheck.test: .* is not an array of strings/],
    [{ test: '' }, /^healthcheck.test: "" is empty/],
    [{ test: 'a\0' }, /^healthcheck.test: .*NUL/],
    [{ test: [] }, /^healthcheck.test: \[\] is empty/],
    [{ test: ['', 'x'] }, /^healthcheck.test: .*empty command/],
    [{ test: ['x', 1] }, /^healthcheck.test: 1 is not a string/],
    [{ test: ['x', 'a\0'] }, /^healthcheck.test: .*NUL/],
    [{ test: 'x', intervall: 1 }, /^healthcheck: "intervall" is not a part/],
    [{ test: 'x', interval: -1 }, /^healthcheck.interval: -1 /],
    [{ test: 'x', interval: 0.9 }, /^healthcheck.interval: 0.9 is less than 1ms/],
    [{ test: 'x', interval: '999us' }, /^healthcheck.interval: "999us" is less than 1ms/],
    [{ test: 'x', interval: NaN }, /^healthcheck.interval: NaN /],
    [{ test: 'x', timeout: '-1s' }, /^healthcheck.timeout: "-1s" is not a duration/],
    [{ test: 'x', timeout: 2_000_000_001 }, /^healthcheck.timeout: 2000000001 is more than/],
    [{ test: 'x', startPeriod: true }, /^healthcheck.startPeriod: true is not a duration/],
    [{ test: 'x', startInterval: '1' }, /^healthcheck.startInterval: "1" is not a duration/],
    [{ test: 'x', retries: -1 }, /^healthcheck.retries: -1 is out of range/],
    [{ test: 'x', retries: 1.5 }, /^healthcheck.retries: 1.5 is not a whole number/],
  ];
  for (const [value, text] of wrong) {
    it(`The options are refused: ${JSON.stringify(value)}`, () => {
      expectError(() => parse(value), 'ERR_INVALID_OPTION', text);
    });
  }
});

describe('the flags of a health check', () => {
  const flagsFor = (image: string, ...args: readonly string[]) =>
    parseRun('run', [...args, image], { env: {}, cwd: '/' }).healthcheck;
  const flags = (...args: readonly string[]) => flagsFor('host', ...args);

  it('The flags become options', () => {
    expect(flags()).to.equal(undefined);
    expect(flags('--health-cmd', 'x -y')).to.deep.equal({ test: 'x -y', ...NOTHING_SAID });
    expect(
      flags(
        ...[
          '--health-cmd=x',
          '--health-interval=1h',
          '--health-timeout=1.5s',
          '--health-retries=2',
        ],
        ...['--health-start-period', '1m', '--health-start-interval', '100ms'],
      ),
    ).to.deep.equal({
      test: 'x',
      interval: 3_600_000,
      timeout: 1500,
      startPeriod: 60_000,
      startInterval: 100,
      retries: 2,
    });
    expect(flags('--health-cmd', 'x', '--health-interval', '0s')).to.deep.include({ interval: 0 });
  });

  it('The flags are nothing without a command', () => {
    expect(flags('--no-healthcheck')).to.equal(undefined);
    expect(flags('--health-cmd', '')).to.equal(undefined);
    expect(flags('--health-interval', '1s')).to.equal(undefined);
    expect(flags('--no-healthcheck', '--health-cmd', '')).to.equal(undefined);
  });

  it('The flags without a command change the check of an image', () => {
    expect(flagsFor('debian')).to.equal(undefined);
    expect(flagsFor('debian', '--no-healthcheck')).to.equal('none');
    const times = flagsFor('debian', '--health-interval', '1s');
    expect(times).to.deep.equal({ ...NOTHING_SAID, interval: 1000 });
  });

  it('The flags are named where they are wrong', () => {
    for (const [flag, value] of [
      ['health-interval', '1'],
      ['health-timeout', '10us'],
      ['health-start-period', 'x'],
      ['health-start-interval', '-1s'],
      ['health-retries', '-1'],
      ['health-retries', 'x'],
    ] as const) {
      expectError(
        () => flags(`--${flag}`, value),
        'ERR_INVALID_OPTION',
        new RegExp(`^${flag}: "${value}" `),
      );
    }
    for (const flag of ['--health-cmd=x', '--health-retries=1', '--health-interval=1s']) {
      expectError(
        () => flags('--no-healthcheck', flag),
        'ERR_CONFLICTING_OPTIONS',
        /^--no-healthcheck conflicts with --health-\* options$/,
      );
    }
  });
});

describe("a supervisor's configuration", () => {
  const config: SupervisorConfig = {
    id: 'i'.repeat(64),
    name: 'name',
    terminal: false,
    openStdin: false,
    stdinOnce: false,
    autoRemove: true,
    ownUserNamespace: false,
    bound: false,
    gated: false,
    log: { maxSize: 11, maxFile: 12 },
    restart: { name: 'on-failure', maximumRetryCount: 13 },
    stopSignal: 14,
    stopTimeout: -1,
    idBase: 15,
    joinedPid: 0,
    holderPid: 0,
    attach: 6,
    slots: { stdin: 16, stdout: 17, stderr: 18, oom: 19, hold: [] },
    directory: '/directory',
    names: '/names',
    sockets: '/sockets',
    events: '/events',
    attributes: { image: 'host' },
    attachments: [
      { id: 'n1', attributes: { name: 'web', type: 'bridge' } },
      { id: 'n2', attributes: { name: 'db' } },
    ],
    bootId: 'boot',
    program: Buffer.from('program'),
    teardown: Buffer.from('teardown'),
    check: undefined,
  };
  const check = {
    interval: 21,
    timeout: 22,
    startPeriod: 23,
    startInterval: 24,
    retries: 25,
    slots: { stdout: 26, stderr: 27 },
    program: Buffer.from('check\0it'),
  };
  type Field = keyof typeof SUPERVISOR_HEADER;
  type TextName = (typeof SUPERVISOR_TEXTS)[number];

  function text(bytes: Buffer, name: TextName): string {
    const place = SUPERVISOR_HEADER.text + 4 * SUPERVISOR_TEXTS.indexOf(name);
    const record = bytes.readUInt32LE(place);
    expect(record % 8, name).to.equal(0);
    const size = bytes.readUInt32LE(record);
    expect(bytes[record + 8 + size], 'NUL at the end').to.equal(0);
    return bytes.toString('utf8', record + 8, record + 8 + size);
  }

  it('The configuration is where the supervisor looks for it', () => {
    const bytes = encodeSupervisorConfig({ ...config, check });
    const fields = (...names: Field[]) =>
      names.map((name) => bytes.readInt32LE(SUPERVISOR_HEADER[name]));
    expect(fields('size')).to.deep.equal([bytes.length]);
    expect(fields('flags', 'policy', 'retries', 'stopSignal', 'stopTimeout')).to.deep.equal([
      8, 1, 13, 14, -1,
    ]);
    expect(fields('idBase', 'logSize', 'logFiles', 'attach')).to.deep.equal([15, 11, 12, 6]);
    const slots = (name: Field, count: number) =>
      Array.from({ length: count }, (_, index) =>
        bytes.readInt16LE(SUPERVISOR_HEADER[name] + 2 * index),
      );
    expect(slots('slots', 4)).to.deep.equal([16, 17, 18, 19]);
    expect(
      fields(
        'checkInterval',
        'checkTimeout',
        'checkStartPeriod',
        'checkStartInterval',
        'checkRetries',
      ),
    ).to.deep.equal([21, 22, 23, 24, 25]);
    expect(slots('checkSlots', 2)).to.deep.equal([26, 27]);
    expect(SUPERVISOR_TEXTS.map((name) => text(bytes, name))).to.deep.equal([
      ...[config.id, '/directory', '/names', 'name', '/sockets', '/events', '"image":"host"'],
      'n1 "name":"web","type":"bridge"\nn2 "name":"db"\n',
      ...['boot', 'program', 'teardown', 'check\0it'],
    ]);
    // The first text follows the header.
    expect(bytes.readUInt32LE(SUPERVISOR_HEADER.text)).to.equal(SUPERVISOR_HEADER_SIZE);
  });

  it('The configuration has no program for a check that was not asked for', () => {
    const bytes = encodeSupervisorConfig(config);
    expect(text(bytes, 'check')).to.equal('');
    expect(text(bytes, 'teardown')).to.equal('teardown');
  });
});
