import { checkDriverOptions, driverMount } from '../../../lib/volumes/driver-options.js';
import { expect } from 'chai';
import { expectError } from '../support/expect-error.js';

describe('options of the driver local', () => {
  it('Without options a volume is a directory of caisson’s', () => {
    expect(driverMount({})).to.equal(undefined);
  });

  it('The options say what is mounted in its place', () => {
    expect(driverMount({ type: 'none', device: '/srv', o: 'rbind,ro' })).to.deep.equal({
      type: 'bind',
      fsType: 'none',
      device: '/srv',
      options: ['rbind', 'ro'],
    });
    expect(driverMount({ type: 'tmpfs', device: 'tmpfs', o: 'size=1m' })).to.deep.include({
      type: 'tmpfs',
      options: ['size=1m'],
    });
  });

  const refused: readonly (readonly [Record<string, string>, string, RegExp])[] = [
    [{ type: 'tmpfs' }, 'ERR_INVALID_OPTION', /missing required option/],
    [{ device: '/srv', o: 'bind' }, 'ERR_INVALID_OPTION', /missing required option/],
    [{ type: 'none', device: 'srv', o: 'bind' }, 'ERR_INVALID_OPTION', /absolute path/],
    [{ type: 'none', device: '/srv' }, 'ERR_CONFLICTING_OPTIONS', /o=bind/],
    [{ type: 'NFS!', device: ':/x' }, 'ERR_INVALID_OPTION', /type of file system/],
    [{ type: 'nfs', device: ':/x' }, 'ERR_UNSUPPORTED_OPTION', /nfs/],
    [{ size: '1g' }, 'ERR_UNSUPPORTED_OPTION', /quota/],
    [{ nope: 'x' }, 'ERR_INVALID_OPTION', /"nope"/],
  ];
  for (const [options, code, text] of refused)
    it(`These options are refused: ${JSON.stringify(options)}`, () => {
      expectError(() => checkDriverOptions('driverOptions', options), code as never, text);
    });
});
