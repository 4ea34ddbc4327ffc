import { expect } from 'chai';
import { gatewaysOf, publishedAddresses } from '../../../../lib/network/bridge/gateways.js';

describe('Which of several networks has the default route', () => {
  const endpoint = (name: string, { internal = false, ipv6 = false, priority = 0 } = {}) => ({
    network: { name, internal },
    ipv4: { address: `4 ${name}` },
    ipv6: ipv6 ? { address: `6 ${name}` } : undefined,
    priority,
  });
  const names = (...endpoints: ReturnType<typeof endpoint>[]) => {
    const { ipv4, ipv6 } = gatewaysOf(endpoints);
    return [ipv4?.network.name, ipv6?.network.name];
  };

  it('The first by name of those with the highest priority has it, by family', () => {
    expect(names()).to.deep.equal([undefined, undefined]);
    expect(names(endpoint('b'), endpoint('c', { ipv6: true }), endpoint('a'))).to.deep.equal(['a', 'c']); // prettier-ignore
    expect(names(endpoint('a'), endpoint('b', { priority: 1 }))).to.deep.equal(['b', undefined]);
    expect(names(endpoint('a', { priority: -1, ipv6: true }), endpoint('b'))).to.deep.equal(['b', 'a']); // prettier-ignore
  });

  it('An internal network has none', () => {
    expect(names(endpoint('a', { internal: true, priority: 9 }), endpoint('b'))).to.deep.equal(['b', undefined]); // prettier-ignore
    expect(names(endpoint('a', { internal: true }))).to.deep.equal([undefined, undefined]);
  });

  it('Ports lead to the addresses there, or to the only one', () => {
    const back = endpoint('back', { internal: true, ipv6: true });
    expect(publishedAddresses([back])).to.deep.equal({ ipv4: '4 back', ipv6: '6 back' });
    expect(publishedAddresses([back, endpoint('web')])).to.deep.equal({ ipv4: '4 web', ipv6: undefined }); // prettier-ignore
    expect(publishedAddresses([])).to.deep.equal({ ipv4: undefined, ipv6: undefined });
  });
});
