import { expect } from 'chai';
import type { StoredNetwork } from '../../../../lib/network/bridge/stored-network.js';
import type { NamePolicy } from '../../../../lib/network/names/name-policy.js';
import { planNameServers, registrationOf } from '../../../../lib/network/names/name-servers.js';

const network = (name: string, internal = false): StoredNetwork => ({
  version: 1,
  id: 'f0'.repeat(32),
  name,
  driver: 'bridge',
  created: '2026-01-01T00:00:00Z',
  bridge: 'caisson0',
  ipv4: { subnet: '172.18.0.0/16', gateway: '172.18.0.1' },
  internal,
  attachable: true,
  labels: {},
  options: {},
});
const container = (name: string, policy?: NamePolicy) => ({
  id: 'ab'.repeat(32),
  name: 'web',
  hostname: undefined,
  dns: [],
  endpoints: [{ network: network(name), aliases: ['www'], addresses: ['172.18.0.2'] }],
  hostResolvConf: 'nameserver 192.0.2.53\nsearch example.org\n',
  policy,
});
const policy: NamePolicy = {
  default: 'deny',
  rules: [],
  sets: { ipv4: 'a', ipv6: 'b', peersIpv4: 'c', peersIpv6: 'd' },
};

describe('Whom a container asks for names', () => {
  it('On `bridge` the host’s name servers, as with Docker', () => {
    const { resolver, resolvConf } = planNameServers(container('bridge'), '/run/resolver');
    expect(resolver).to.equal(undefined);
    expect(resolvConf).to.contain('nameserver 192.0.2.53');
  });

  it('With a policy the resolver, on `bridge` too, where no other container has a name', () => {
    const { resolver, resolvConf } = planNameServers(container('bridge', policy), '/run/resolver');
    expect(resolver?.directory).to.equal('/run/resolver');
    expect(resolvConf)
      .to.match(/^nameserver 127\.0\.0\.11$/m)
      .and.not.contain('192.0.2.53');
    expect(registrationOf(container('bridge', policy))).to.deep.include({
      networks: [],
      upstream: [{ address: '192.0.2.53', scope: 0 }],
      forward: true,
      policy,
    });
  });

  it('The policy is a part of the registration on other networks, too', () => {
    const registration = registrationOf(container('front', policy));
    expect(registration?.policy).to.equal(policy);
    expect(registration?.networks[0]?.names).to.deep.equal(['web', 'www', 'abababababab']);
    expect(registrationOf(container('front'))).to.have.property('policy', undefined);
  });
});
