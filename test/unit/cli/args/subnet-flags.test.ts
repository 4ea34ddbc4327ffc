import { expect } from 'chai';
import { matchSubnets, type SubnetFlags } from '../../../../lib/cli/args/subnet-flags.js';
import { expectError } from '../../support/expect-error.js';

const flags = (more: Partial<SubnetFlags>): SubnetFlags => ({
  subnets: [],
  gateways: [],
  ipRanges: [],
  auxAddresses: [],
  ...more,
});

describe('network create: the flags of subnets', () => {
  it('Gateways, ranges and auxiliary addresses belong to the subnet that contains them', () => {
    const found = matchSubnets(
      flags({
        subnets: ['10.1.0.0/16', 'fd00::/64'],
        gateways: ['fd00::9', '10.1.0.9'],
        ipRanges: ['10.1.4.0/24'],
        auxAddresses: ['a=10.1.0.5', 'b=fd00::5', 'c=10.1.0.6'],
      }),
    );
    expect(found).to.deep.equal([
      {
        subnet: '10.1.0.0/16',
        gateway: '10.1.0.9',
        ipRange: '10.1.4.0/24',
        auxAddresses: { a: '10.1.0.5', c: '10.1.0.6' },
      },
      {
        subnet: 'fd00::/64',
        gateway: 'fd00::9',
        ipRange: undefined,
        auxAddresses: { b: 'fd00::5' },
      },
    ]);
  });

  it('A value may be a list with commas', () => {
    const found = matchSubnets(flags({ subnets: ['10.1.0.0/16,fd00::/64'], gateways: ['10.1.0.1,fd00::1'] })); // prettier-ignore
    expect(found.map(({ gateway }) => gateway)).to.deep.equal(['10.1.0.1', 'fd00::1']);
    expect(matchSubnets(flags({}))).to.deep.equal([]);
  });

  const refused: readonly (readonly [Partial<SubnetFlags>, RegExp])[] = [
    [{ gateways: ['10.1.0.1'] }, /^every ip-range or gateway must have a corresponding subnet$/],
    [{ subnets: ['10.1.0.0/16'], gateways: ['10.2.0.1'] }, /^no matching subnet for gateway 10\.2\.0\.1$/],
    [{ subnets: ['10.1.0.0/16'], ipRanges: ['10.2.0.0/24'] }, /^no matching subnet for range 10\.2\.0\.0\/24$/],
    [{ subnets: ['10.1.0.0/16'], auxAddresses: ['a=10.2.0.1'] }, /^no matching subnet for aux-address 10\.2\.0\.1$/],
    [
      { subnets: ['10.1.0.0/16', '10.2.0.0/16'], gateways: ['10.1.0.1', '10.1.0.2'] },
      /^cannot configure multiple gateways \(10\.1\.0\.2, 10\.1\.0\.1\) for the same subnet/,
    ],
    [
      { subnets: ['10.1.0.0/16', '10.2.0.0/16'], ipRanges: ['10.1.0.0/24', '10.1.1.0/24'] },
      /^cannot configure multiple ranges \(10\.1\.1\.0\/24, 10\.1\.0\.0\/24\) on the same subnet/,
    ],
    [{ subnets: ['10.1.0.0'] }, /^--subnet: .*is not a block/],
    [{ subnets: ['10.1.0.0/16'], gateways: ['x'] }, /^--gateway: .*is not an IPv4 or IPv6 address/],
    [{ subnets: ['10.1.0.0/16'], auxAddresses: ['a'] }, /^--aux-address: .*is not an IPv4/],
  ]; // prettier-ignore
  for (const [given, text] of refused) {
    it(`The flags ${JSON.stringify(given)} are refused`, () => {
      expectError(() => matchSubnets(flags(given)), 'ERR_INVALID_OPTION', text);
    });
  }
});
