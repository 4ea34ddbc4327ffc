import { expect } from 'chai';
import {
  containerCapabilities,
  DEFAULT_CAPABILITIES,
} from '../../../../lib/engine/options/capabilities.js';
import { CAPABILITIES } from '../../../../lib/oci/capability-sets.js';
import { expectError } from '../../support/expect-error.js';

describe('capabilities', () => {
  it('All capabilities are known to the kernel', () => {
    expect(CAPABILITIES).to.have.length(41);
    for (const name of DEFAULT_CAPABILITIES) expect(CAPABILITIES).to.include(name);
  });

  it('The set starts from Docker’s fourteen', () => {
    expect(containerCapabilities(undefined, undefined, false, {})).to.equal(DEFAULT_CAPABILITIES);
    expect(DEFAULT_CAPABILITIES).to.have.length(14);
  });

  it('The options add and drop capabilities, in any spelling', () => {
    const added = containerCapabilities(
      ['net_admin', 'CAP_SYS_TIME', 'Chown'],
      undefined,
      false,
      {},
    );
    expect(added).to.have.members([...DEFAULT_CAPABILITIES, 'CAP_NET_ADMIN', 'CAP_SYS_TIME']);
    const dropped = containerCapabilities(
      undefined,
      ['mknod', 'CAP_NET_RAW', 'SYS_ADMIN'],
      false,
      {},
    );
    expect(dropped).to.have.length(12);
    expect(containerCapabilities(['KILL'], ['KILL'], false, {})).to.include('CAP_KILL');
  });

  it('The word ALL means all capabilities', () => {
    expect(containerCapabilities(['ALL'], undefined, false, {})).to.deep.equal(CAPABILITIES);
    expect(containerCapabilities(['all'], ['sys_admin'], false, {})).to.deep.equal(
      CAPABILITIES.filter((name) => name !== 'CAP_SYS_ADMIN'),
    );
    expect(containerCapabilities(undefined, ['ALL'], false, {})).to.deep.equal([]);
    expect(containerCapabilities(['CHOWN'], ['ALL'], false, {})).to.deep.equal(['CAP_CHOWN']);
    expect(containerCapabilities(['ALL'], ['ALL'], false, {})).to.deep.equal([]);
  });

  it('The set goes no further than the host’s kernel', () => {
    expect(containerCapabilities(undefined, undefined, true, { lastCap: 38 })).to.have.length(39);
    expect(containerCapabilities(['ALL'], undefined, false, { lastCap: 38 })).not.to.include(
      'CAP_BPF',
    );
    expectError(
      () => containerCapabilities(['BPF'], undefined, false, { lastCap: 38 }),
      'ERR_KERNEL_FEATURE_MISSING',
      /capAdd: .*CAP_BPF/,
    );
  });

  it('The set goes no further than this process, with the host’s users', () => {
    const permitted = (1n << 41n) - 1n - (1n << 24n) - 1n;
    const limits = { lastCap: 40, permitted };
    const privileged = containerCapabilities(undefined, undefined, true, limits);
    expect(privileged).to.have.length(39);
    expect(privileged).not.to.include('CAP_SYS_RESOURCE');
    expect(containerCapabilities(undefined, undefined, false, limits)).to.deep.equal(
      DEFAULT_CAPABILITIES.filter((name) => name !== 'CAP_CHOWN'),
    );
    expectError(
      () => containerCapabilities(['SYS_RESOURCE'], undefined, false, limits),
      'ERR_NO_PRIVILEGES',
      /capAdd: .*CAP_SYS_RESOURCE/,
    );
  });

  it('Unknown names are refused, also for a privileged container', () => {
    expectError(
      () => containerCapabilities(['SYS_ADMN'], undefined, false, {}),
      'ERR_INVALID_OPTION',
      /capAdd: "SYS_ADMN"/,
    );
    expectError(
      () => containerCapabilities(undefined, ['CAP'], true, {}),
      'ERR_INVALID_OPTION',
      /capDrop: "CAP"/,
    );
  });
});
