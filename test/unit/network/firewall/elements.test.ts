import { expect } from 'chai';
import {
  networkRequest,
  publishRequest,
  removeNetworkRequest,
  unpublishRequest,
} from '../../../../lib/network/firewall/elements.js';

const lines = ({ text }: { readonly text: string }) => text.split('\n').slice(1, -1);
const port = { hostPort: 8080, containerPort: 80, protocol: 'tcp' } as const;

describe('Elements of the firewall', () => {
  it('A port of no address is one of each family that the container has', () => {
    expect(lines(publishRequest({ ipv4: '10.0.0.2', ipv6: 'fd00::2' }, [port]))).to.deep.equal([
      'add element inet caisson anywhere4 { tcp . 8080 : 10.0.0.2 . 80 }',
      'add element inet caisson anywhere6 { tcp . 8080 : fd00::2 . 80 }',
    ]);
    expect(lines(publishRequest({ ipv4: '10.0.0.2' }, [port]))).to.deep.equal([
      'add element inet caisson anywhere4 { tcp . 8080 : 10.0.0.2 . 80 }',
    ]);
  });

  it('An address decides the family, and 0.0.0.0 and :: are all addresses of one', () => {
    const of = (hostIp: string) =>
      lines(publishRequest({ ipv4: '10.0.0.2', ipv6: 'fd00::2' }, [{ ...port, hostIp }]));
    expect(of('0.0.0.0')).to.deep.equal([
      'add element inet caisson anywhere4 { tcp . 8080 : 10.0.0.2 . 80 }',
    ]);
    expect(of('::')).to.deep.equal([
      'add element inet caisson anywhere6 { tcp . 8080 : fd00::2 . 80 }',
    ]);
    expect(of('127.0.0.1')).to.deep.equal([
      'add element inet caisson published4 { 127.0.0.1 . tcp . 8080 : 10.0.0.2 . 80 }',
    ]);
    expect(of('2001:DB8::0:1')).to.deep.equal([
      'add element inet caisson published6 { 2001:db8::1 . tcp . 8080 : fd00::2 . 80 }',
    ]);
  });

  it('What is removed is added before, so that nothing can be missing', () => {
    expect(lines(unpublishRequest({ ipv4: '10.0.0.2' }, [port]))).to.deep.equal([
      'add element inet caisson anywhere4 { tcp . 8080 : 10.0.0.2 . 80 }',
      'delete element inet caisson anywhere4 { tcp . 8080 : 10.0.0.2 . 80 }',
    ]);
  });

  it('A network replaces what it was, and an internal one is never masqueraded', () => {
    const network = { bridge: 'cai-1', neighbours: true, masquerade: ['ipv4'] } as const;
    const added = (internal: boolean) => {
      const all = lines(networkRequest({ ...network, internal }));
      return all.slice(lines(removeNetworkRequest('cai-1')).length);
    };
    expect(added(false)).to.deep.equal([
      'add element inet caisson networks { "cai-1" }',
      'add element inet caisson neighbours { "cai-1" . "cai-1" }',
      'add element inet caisson masqueraded { ipv4 . "cai-1" }',
    ]);
    expect(added(true)).to.deep.equal([
      'add element inet caisson networks { "cai-1" }',
      'add element inet caisson internal { "cai-1" }',
      'add element inet caisson neighbours { "cai-1" . "cai-1" }',
    ]);
  });
});
