import { expect } from 'chai';
import {
  DEFAULT_LOG,
  type LogDriverOptions,
  parseLogConfig,
  UNLIMITED_LOG_SIZE,
} from '../../../../lib/engine/options/log-config.js';
import {
  parseRestartPolicy,
  type RestartPolicy,
} from '../../../../lib/engine/options/restart-policy.js';
import { startsOnBoot } from '../../../../lib/engine/store/starts-on-boot.js';
import type { StoredState } from '../../../../lib/engine/store/stored.js';
import type { ErrorCode } from '../../../../lib/base/errors.js';
import { containerInfo } from '../../support/container-info.js';
import { expectError } from '../../support/expect-error.js';

describe('restart policies', () => {
  it('Policies are read', () => {
    const cases: Readonly<Record<string, RestartPolicy>> = {
      '': { name: 'no', maximumRetryCount: 0 },
      no: { name: 'no', maximumRetryCount: 0 },
      always: { name: 'always', maximumRetryCount: 0 },
      'always:0': { name: 'always', maximumRetryCount: 0 },
      'unless-stopped': { name: 'unless-stopped', maximumRetryCount: 0 },
      'on-failure': { name: 'on-failure', maximumRetryCount: 0 },
      'on-failure:3': { name: 'on-failure', maximumRetryCount: 3 },
    };
    for (const [text, policy] of Object.entries(cases))
      expect(parseRestartPolicy('restart', text), text).to.deep.equal(policy);
    expect(parseRestartPolicy('restart', undefined).name).to.equal('no');
    const given = { name: 'on-failure', maximumRetryCount: 2 } as const;
    expect(parseRestartPolicy('restart', given)).to.deep.equal(given);
  });

  describe('what starts with the machine', () => {
    const cases: readonly (readonly [string, Partial<StoredState>, boolean])[] = [
      ['no', { exitCode: 1 }, false],
      ['always', { exitCode: 0 }, true],
      ['always', { stopped: true }, true],
      ['always', { startedAt: '' }, false],
      ['unless-stopped', { exitCode: 0 }, true],
      ['unless-stopped', { stopped: true }, false],
      ['on-failure', { exitCode: 0 }, false],
      ['on-failure', { exitCode: 255 }, true],
      ['on-failure', { exitCode: 137, stopped: true }, false],
      ['on-failure:2', { exitCode: 1, restartCount: 1 }, true],
      ['on-failure:2', { exitCode: 1, restartCount: 2 }, false],
    ];
    for (const [policy, state, starts] of cases) {
      it(`The policy ${policy} ${starts ? 'starts' : 'does not start'} ${JSON.stringify(state)}`, () => {
        const restart = parseRestartPolicy('restart', policy);
        const info = containerInfo({ config: { restart }, state, status: 'exited' });
        expect(startsOnBoot(info)).to.equal(starts);
      });
    }
  });

  const wrong: readonly (readonly [unknown, RegExp])[] = [
    ['sometimes', /"sometimes" is not a restart policy .*unless-stopped/],
    ['Always', /is not a restart policy/],
    [':3', /names no policy/],
    ['on-failure:', /not a whole number/],
    ['on-failure:x', /not a whole number/],
    ['on-failure:1.5', /not a whole number/],
    ['on-failure:-1', /is negative/],
    ['always:-1', /is negative/],
    ['always:3', /which only on-failure can have/],
    ['no:1', /which only on-failure can have/],
    ['unless-stopped:1', /which only on-failure can have/],
    ['on-failure:99999999999', /out of range/],
    [{ name: 'never' }, /is not a restart policy/],
    [{ name: 'on-failure', maximumRetryCount: '3x' }, /whole number/],
    [null, /is not a restart policy/],
    [5, /is not a restart policy/],
  ];
  for (const [value, text] of wrong) {
    it(`The policy ${JSON.stringify(value)} is refused`, () => {
      const error = expectError(
        () => parseRestartPolicy('restart', value as string),
        'ERR_INVALID_OPTION',
        text,
      );
      expect(error.path).to.equal('restart');
    });
  }
});

describe('log options', () => {
  it('Log options are bounded when nothing is said', () => {
    expect(parseLogConfig(undefined, undefined)).to.deep.equal(DEFAULT_LOG);
    expect(parseLogConfig('json-file', [])).to.deep.equal({
      driver: 'json-file',
      maxSize: 10_485_760,
      maxFile: 3,
    });
    expect(parseLogConfig('none', undefined).driver).to.equal('none');
  });

  it('Log options are read from flags and from a record', () => {
    const expected = { driver: 'json-file', maxSize: 2 ** 20, maxFile: 5 };
    const list = ['max-size=1m', 'max-file=5', 'compress=false', 'mode=blocking'];
    expect(parseLogConfig(undefined, list)).to.deep.equal(expected);
    expect(parseLogConfig('json-file', { 'max-size': '1m', 'max-file': 5 })).to.deep.equal(
      expected,
    );
    expect(parseLogConfig(undefined, { 'max-size': 8192 }).maxSize).to.equal(8192);
    expect(parseLogConfig(undefined, ['max-size=-1']).maxSize).to.equal(UNLIMITED_LOG_SIZE);
    expect(parseLogConfig(undefined, ['max-file=1']).maxFile).to.equal(1);
  });

  const wrong: readonly (readonly [string | undefined, unknown, ErrorCode, RegExp])[] = [
    ['nope', [], 'ERR_INVALID_OPTION', /^logDriver: "nope" is not a log driver/],
    ['syslog', [], 'ERR_UNSUPPORTED_OPTION', /^logDriver: "syslog"/],
    ['local', [], 'ERR_UNSUPPORTED_OPTION', /^logDriver: "local"/],
    ['none', ['max-size=1m'], 'ERR_INVALID_OPTION', /max-size.*"none"/],
    [undefined, ['max-size'], 'ERR_INVALID_OPTION', /is not NAME=value/],
    [undefined, ['=1'], 'ERR_INVALID_OPTION', /is not NAME=value/],
    [undefined, ['max-size=x'], 'ERR_INVALID_OPTION', /"max-size=x" does not say a size/],
    [undefined, ['max-size='], 'ERR_INVALID_OPTION', /does not say a size/],
    [undefined, ['max-size=-2'], 'ERR_INVALID_OPTION', /does not say a size/],
    [undefined, ['max-size=0'], 'ERR_INVALID_OPTION', /below the minimum/],
    [undefined, ['max-file=0'], 'ERR_INVALID_OPTION', /out of range/],
    [undefined, ['max-file=-1'], 'ERR_INVALID_OPTION', /a number of files/],
    [undefined, ['max-file=2.5'], 'ERR_INVALID_OPTION', /a number of files/],
    [undefined, ['compress=true'], 'ERR_UNSUPPORTED_OPTION', /compress/],
    [undefined, ['compress=maybe'], 'ERR_INVALID_OPTION', /neither true nor false/],
    [undefined, ['mode=non-blocking'], 'ERR_UNSUPPORTED_OPTION', /mode/],
    [undefined, ['tag=x'], 'ERR_UNSUPPORTED_OPTION', /"tag"/],
    [undefined, ['nope=x'], 'ERR_INVALID_OPTION', /"nope" is not an option of the log driver/],
    [undefined, 'max-size=1m', 'ERR_INVALID_OPTION', /neither a record nor an array/],
    [undefined, { 'max-size': true }, 'ERR_INVALID_OPTION', /not a string or a number/],
  ];
  for (const [driver, options, code, text] of wrong) {
    it(`The log options are refused: ${driver ?? ''} ${JSON.stringify(options)}`, () => {
      expectError(() => parseLogConfig(driver, options as LogDriverOptions), code, text);
    });
  }

  it('Log options are named as they were given', () => {
    const names = { driver: 'log-driver', options: 'log-opt' };
    expect(
      expectError(() => parseLogConfig('x', [], names), 'ERR_INVALID_OPTION', /^log-driver: /).path,
    ).to.equal('log-driver');
    expectError(
      () => parseLogConfig(undefined, ['max-size=x'], names),
      'ERR_INVALID_OPTION',
      /^log-opt: /,
    );
  });
});
