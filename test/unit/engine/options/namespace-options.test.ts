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
    const own = { pid: 'private', ipc: 'private', uts: 'private', cgroup: 'private', joins: [] };
    expect(config({}).namespaces).to.deep.equal(own);
    const empty = { pid: '', ipc: '', uts: '', cgroupns: '' } as unknown as RunOptions;
    expect(config(empty).namespaces).to.deep.equal(own);
  });

  it('A container that shares the pid namespace has no init', () => {
    expect(config({}).init).to.equal(true);
    expect(config({ pid: 'host', init: true }).init).to.equal(false);
  });

  it('Each option that names a container is a join', () => {
    const { namespaces, userns, network, init } = config({
      network: 'container:a',
      pid: 'container:b',
      ipc: 'container:c',
      userns: 'container:d',
    });
    expect(namespaces).to.deep.include({ pid: 'container', ipc: 'container' });
    expect(namespaces.joins).to.deep.equal([
      { option: 'network', container: 'a' },
      { option: 'pid', container: 'b' },
      { option: 'ipc', container: 'c' },
      { option: 'userns', container: 'd' },
    ]);
    expect([userns, network, init]).to.deep.equal(['auto', 'container', false]);
  });

  it('A network namespace is a file with an absolute path', () => {
    expect(config({ network: 'ns:/run/netns/a' })).to.include({
      network: 'namespace',
      networkOptions: '/run/netns/a',
    });
  });

  const TABLE: readonly (readonly [Record<string, unknown>, ErrorCode, RegExp])[] = [
    [{ pid: 'x' }, 'ERR_UNSUPPORTED_OPTION', /^pid: "x" is not supported/],
    [{ pid: 'none' }, 'ERR_UNSUPPORTED_OPTION', /^pid: /],
    [{ pid: 1 }, 'ERR_INVALID_OPTION', /^pid: 1 is not a string/],
    [{ ipc: 'x' }, 'ERR_UNSUPPORTED_OPTION', /^ipc: /],
    [{ ipc: [] }, 'ERR_INVALID_OPTION', /^ipc: /],
    [{ uts: 'shareable' }, 'ERR_UNSUPPORTED_OPTION', /^uts: /],
    [{ cgroupns: 'none' }, 'ERR_UNSUPPORTED_OPTION', /^cgroupns: /],
    [{ network: 'container:' }, 'ERR_INVALID_OPTION', /^network: .* names no container/],
    [{ pid: 'container:' }, 'ERR_INVALID_OPTION', /^pid: /],
    [{ ipc: 'container:a\0b' }, 'ERR_INVALID_OPTION', /^ipc: .* NUL/],
    [{ uts: 'container:a' }, 'ERR_UNSUPPORTED_OPTION', /^uts: /],
    [{ cgroupns: 'container:a' }, 'ERR_UNSUPPORTED_OPTION', /^cgroupns: /],
    [{ userns: 'container:' }, 'ERR_INVALID_OPTION', /^userns: /],
    [{ userns: 'container:a', privileged: true }, 'ERR_CONFLICTING_OPTIONS', /^userns: /],
    [{ network: 'ns:relative' }, 'ERR_INVALID_OPTION', /^network: .* absolute/],
    [{ network: 'ns:' }, 'ERR_INVALID_OPTION', /^network: /],
    ...(
      [
        ['hostname', 'x'],
        ['domainname', 'x'],
        ['addHost', ['a:10.0.0.1']],
        ['dns', ['10.0.0.1']],
        ['dnsSearch', ['example.org']],
        ['dnsOption', ['ndots:1']],
        ['expose', ['80']],
      ] as const
    ).map(
      ([name, value]) =>
        [
          { network: 'container:a', [name]: value },
          'ERR_CONFLICTING_OPTIONS',
          new RegExp(`^${name}: network "container:…" excludes it`),
        ] as const,
    ),
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
