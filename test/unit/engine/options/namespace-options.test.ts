import { expect } from 'chai';
import type { ErrorCode } from '../../../../lib/base/errors.js';
import { type ContainerConfig, normalize } from '../../../../lib/engine/options/config.js';
import type { RunOptions } from '../../../../lib/engine/options/options.js';
import { expectError } from '../../support/expect-error.js';

const IMAGE = { env: [], cmd: [], entrypoint: [] };

function config(options: RunOptions): ContainerConfig {
  return normalize(['true'], options, IMAGE, { cpus: '0-1', mems: '0' });
}

describe('normalize: namespaces', () => {
  it('Namespaces are of their own by default, and an empty text is the default', () => {
    const own = { pid: 'private', ipc: 'private', uts: 'private', cgroup: 'private' };
    expect(config({}).namespaces).to.deep.equal(own);
    const empty = { pid: '', ipc: '', uts: '', cgroupns: '' } as unknown as RunOptions;
    expect(config(empty).namespaces).to.deep.equal(own);
  });

  it('A container that shares the pid namespace has no init', () => {
    expect(config({}).init).to.equal(true);
    expect(config({ pid: 'host', init: true }).init).to.equal(false);
  });

  const TABLE: readonly (readonly [Record<string, unknown>, ErrorCode, RegExp])[] = [
    [{ pid: 'x' }, 'ERR_UNSUPPORTED_OPTION', /^pid: "x" is not supported/],
    [{ pid: 'none' }, 'ERR_UNSUPPORTED_OPTION', /^pid: /],
    [{ pid: 1 }, 'ERR_INVALID_OPTION', /^pid: 1 is not a string/],
    [{ ipc: 'x' }, 'ERR_UNSUPPORTED_OPTION', /^ipc: /],
    [{ ipc: [] }, 'ERR_INVALID_OPTION', /^ipc: /],
    [{ uts: 'shareable' }, 'ERR_UNSUPPORTED_OPTION', /^uts: /],
    [{ cgroupns: 'none' }, 'ERR_UNSUPPORTED_OPTION', /^cgroupns: /],
    [{ uts: 'host', hostname: 'x' }, 'ERR_CONFLICTING_OPTIONS', /^hostname: uts "host"/],
    [{ uts: 'host', domainname: 'x' }, 'ERR_CONFLICTING_OPTIONS', /^domainname: uts "host"/],
    [
      { ipc: 'host', sysctls: ['kernel.msgmax=1'] },
      'ERR_CONFLICTING_OPTIONS',
      /^sysctls: "kernel.msgmax"/,
    ],
  ];
  for (const [options, code, text] of TABLE)
    it(`These options are refused: ${JSON.stringify(options)}`, () => {
      expectError(() => config(options), code, text);
    });
});
