import { expect } from 'chai';
import { readBridgeOptions } from '../../../../lib/network/bridge/bridge-options.js';
import { expectError } from '../../support/expect-error.js';

const B = 'com.docker.network.bridge';

describe('The options of a bridge network', () => {
  it('Without options, containers reach each other, and masquerading is on', () => {
    expect(readBridgeOptions({ other: 'x' })).to.deep.equal({
      interContainer: true,
      masquerade: true,
      hostBinding: '0.0.0.0',
    });
  });

  it('The options of Docker are read', () => {
    const settings = readBridgeOptions({
      [`${B}.name`]: 'br-test',
      'com.docker.network.driver.mtu': '1400',
      [`${B}.enable_icc`]: 'F',
      [`${B}.enable_ip_masquerade`]: '0',
      [`${B}.host_binding_ipv4`]: '127.0.0.1',
    });
    expect(settings).to.deep.equal({
      name: 'br-test',
      mtu: 1400,
      interContainer: false,
      masquerade: false,
      hostBinding: '127.0.0.1',
    });
  });

  const refused: readonly (readonly [string, string, RegExp])[] = [
    [`${B}.name`, 'a'.repeat(16), /is not the name of a network device/],
    [`${B}.name`, 'a/b', /is not the name/],
    [`${B}.name`, 'a b', /is not the name/],
    [`${B}.name`, 'br%d', /is not the name/],
    [`${B}.name`, '..', /is not the name/],
    [`${B}.name`, '', /is not the name/],
    ['com.docker.network.driver.mtu', '67', /out of range/],
    ['com.docker.network.driver.mtu', 'x', /is not a whole number/],
    [`${B}.enable_icc`, 'yes', /is not true or false/],
    [`${B}.enable_ip_masquerade`, '', /is not true or false/],
    [`${B}.host_binding_ipv4`, '::1', /is not an IPv4 address/],
  ];
  for (const [name, value, text] of refused) {
    it(`The option ${name}=${value} is refused`, () => {
      const error = expectError(() => readBridgeOptions({ [name]: value }), 'ERR_INVALID_OPTION', text); // prettier-ignore
      expect(error.path).to.equal(name);
    });
  }
});
