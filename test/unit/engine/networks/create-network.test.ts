import { expect } from 'chai';
import { type CreateNetworkOptions, planNetwork } from '../../../../lib/engine/networks/create-network.js'; // prettier-ignore
import { expectError } from '../../support/expect-error.js';

describe('The options of a new network', () => {
  it('Without options, the network has a subnet of IPv4 that is chosen later', () => {
    expect(planNetwork('web', {})).to.deep.equal({
      name: 'web',
      enableIpv6: false,
      internal: false,
      attachable: false,
      labels: {},
      options: {},
    });
  });

  it('All options are in the plan', () => {
    const plan = planNetwork('a.b_c-1', {
      driver: 'bridge',
      subnets: [{ subnet: 'fd00::/64' }, { subnet: '10.1.0.0/16', gateway: '10.1.0.9' }],
      internal: true,
      attachable: true,
      labels: ['a=b', 'c'],
      options: { other: 'x', 'com.docker.network.bridge.enable_icc': 'false' },
    });
    expect(plan).to.deep.equal({
      name: 'a.b_c-1',
      ipv4: { subnet: '10.1.0.0/16', gateway: '10.1.0.9' },
      ipv6: { subnet: 'fd00::/64', gateway: 'fd00::1' },
      enableIpv6: true,
      internal: true,
      attachable: true,
      labels: { a: 'b', c: '' },
      options: { other: 'x', 'com.docker.network.bridge.enable_icc': 'false' },
    });
    expect(planNetwork('web', { ipv6: true }).enableIpv6).to.equal(true);
  });

  it('A name that no network can have is refused', () => {
    for (const name of ['', '-a', '.a', 'a b', 'a/b', 'a:b', 'ä', undefined as unknown as string])
      expectError(() => planNetwork(name, {}), 'ERR_INVALID_OPTION', /^name: .*is not a name of a network/); // prettier-ignore
    for (const name of ['bridge', 'host', 'none', 'default'])
      expectError(() => planNetwork(name, {}), 'ERR_INVALID_OPTION', new RegExp(`^operation is not permitted on predefined ${name} network$`)); // prettier-ignore
    for (const name of ['pasta', 'slirp4netns', 'container'])
      expectError(() => planNetwork(name, {}), 'ERR_INVALID_OPTION', /is a mode of the option network/); // prettier-ignore
  });

  const refused: readonly (readonly [unknown, RegExp])[] = [
    [null, /is not an object/],
    [{ driver: 'macvlan' }, /^driver: "macvlan" is not supported \(bridge\)/],
    [{ subnet: '10.1.0.0/16' }, /^subnet: .*is not an option of a network/],
    [{ subnets: '10.1.0.0/16' }, /^subnets: .*is not an array/],
    [{ subnets: ['10.1.0.0/16'] }, /^subnets: .*is not an object/],
    [{ subnets: [{ subnet: '10.1.0.0' }] }, /^subnet: .*is not a block/],
    [{ subnets: [{ subnet: 'fd00::/64' }], ipv6: false }, /^ipv6: is off, and subnets has fd00::\/64/],
    [{ ipv6: 1 }, /^ipv6: 1 is not true or false/],
    [{ internal: 'yes' }, /^internal: /],
    [{ attachable: 0 }, /^attachable: /],
    [{ labels: 'a' }, /^labels: /],
    [{ labels: { a: 1 } }, /^labels: /],
    [{ options: ['a'] }, /^options: .*is not an object/],
    [{ options: { a: 1 } }, /^options\.a: 1 is not a string/],
    [{ options: { 'com.docker.network.driver.mtu': 'x' } }, /^com\.docker\.network\.driver\.mtu: /],
  ]; // prettier-ignore
  for (const [options, text] of refused) {
    it(`The options ${JSON.stringify(options)} are refused`, () => {
      expect(() => planNetwork('web', options as CreateNetworkOptions)).to.throw(text);
    });
  }
});
