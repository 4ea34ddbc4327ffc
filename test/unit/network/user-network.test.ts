/** What pasta and slirp4netns are told, and what the container is told of name servers. */
import { expect } from 'chai';
import { networkName } from '../../../lib/engine/options/options.js';
import { normalize } from '../../../lib/engine/options/config.js';
import { planNetwork } from '../../../lib/network/user-network.js';
import { expectError } from '../support/expect-error.js';

const HOST = 'nameserver 192.0.2.53\n';
const IMAGE = { env: [], cmd: [], entrypoint: [] };
const FACTS = { cpus: '0-1', mems: '0' };

function plan(network: string, hostResolvConf = HOST) {
  const config = normalize(['true'], { network }, IMAGE, FACTS);
  return planNetwork(config, hostResolvConf);
}

const args = (network: string) => plan(network).helper.args.join(' ');
const nameservers = (network: string, host?: string) =>
  [...plan(network, host).resolvConf.matchAll(/^nameserver (.*)$/gm)].map(([, one]) => one);

const CLOSED =
  '-t none -u none -T none -U none --no-map-gw --dns-forward 169.254.1.1 --netns NETNS';

describe('networks in user mode', () => {
  it('The arguments tell pasta to open nothing that was not asked for', () => {
    expect(args('pasta')).to.equal(`pasta --config-net --quiet --stderr ${CLOSED}`);
    expect(plan('pasta').helper).to.deep.include({ namespaceAt: 16, ready: 'ended' });
  });

  it('The arguments hand on pasta’s own options, in podman’s spelling', () => {
    const said = args('pasta:--ipv4-only,-t,8080:80,--tcp-ports=81,--mtu,1400,-T,5432');
    expect(said).to.include(
      '--ipv4-only -t 8080:80 --tcp-ports 81 --mtu 1400 -T 5432 -u none -U none',
    );
    expect(said).not.to.include('-t none').and.not.include('-T none');
    expect(args('pasta:--map-gw')).not.to.include('map-gw');
    const own = 'pasta:--dns-forward,10.0.0.1';
    expect(args(own)).to.include('--dns-forward 10.0.0.1').and.not.include('169.254');
    expect(nameservers(own)).to.deep.equal(['10.0.0.1']);
  });

  it('The arguments name the path of the namespace whatever was asked', () => {
    const { args: all, namespaceAt } = plan('pasta:--ns-ifname,NETNS').helper;
    expect(all.slice(namespaceAt - 1)).to.deep.equal(['--netns', 'NETNS']);
  });

  it('The arguments tell slirp4netns what podman’s words mean', () => {
    const before = 'slirp4netns --configure --enable-sandbox --enable-seccomp --ready-fd=3';
    const after = '--netns-type=path NETNS tap0';
    expect(args('slirp4netns')).to.equal(`${before} --disable-host-loopback --mtu=65520 ${after}`);
    expect(plan('slirp4netns').helper).to.deep.include({ namespaceAt: 8, ready: 'said' });
    const asked = 'allow_host_loopback=true,enable_ipv6=true,mtu=1500,cidr=10.9.8.77/25';
    expect(args(`slirp4netns:${asked},outbound_addr=eth0,outbound_addr6=::1`)).to.equal(
      `${before} --enable-ipv6 --mtu=1500 --cidr=10.9.8.77/25 --outbound-addr=eth0 --outbound-addr6=::1 ${after}`,
    );
    expect(nameservers(`slirp4netns:${asked}`)).to.deep.equal(['10.9.8.3']);
    expect(nameservers('slirp4netns:cidr=10.9.8.200/25')).to.deep.equal(['10.9.8.131']);
  });

  it('The arguments never name what is on the host’s loopback', () => {
    const stub = 'nameserver 127.0.0.53\nnameserver ::1\noptions edns0\nsearch a b\n# comment\n';
    expect(nameservers('pasta', stub)).to.deep.equal(['169.254.1.1']);
    expect(plan('slirp4netns', stub).resolvConf).to.equal(
      'nameserver 10.0.2.3\noptions edns0\nsearch a b',
    );
    const link = 'nameserver fe80::1%eth0\nnameserver 2001:db8::53\n';
    expect(nameservers('pasta', link)).to.deep.equal(['2001:db8::53']);
    const many = 'nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n';
    expect(nameservers('pasta', many)).to.deep.equal(['169.254.1.1', '192.0.2.1', '192.0.2.2']);
    expect(nameservers('pasta', '')).to.deep.equal(['169.254.1.1']);
  });

  it('Networks have a name without their options', () => {
    expect(networkName({ network: 'pasta:--mtu,1500' })).to.equal('pasta');
    expect(networkName({ network: 'host' })).to.equal('host');
    expect(networkName({})).to.equal('none');
  });

  const REFUSED: readonly (readonly [network: string, code: 'INVALID' | 'UNSUPPORTED', RegExp])[] =
    [
      ['pasta:--nosuch', 'INVALID', /"--nosuch" is not an option of pasta/],
      ['pasta:--pcap,/tmp/file', 'INVALID', /"--pcap" is not an option of pasta/],
      ['pasta:--netns,/proc/1/ns/net', 'INVALID', /"--netns" is not an option of pasta/],
      ['pasta:--runas=0', 'INVALID', /"--runas" is not an option of pasta/],
      ['pasta:8080', 'INVALID', /"8080" is not an option of pasta/],
      ['pasta:-t', 'INVALID', /"-t" needs a value/],
      ['pasta:-t,', 'INVALID', /"-t" needs a value/],
      ['pasta:--ipv4-only=yes', 'INVALID', /"--ipv4-only" takes no value/],
      ['slirp4netns:nosuch=1', 'INVALID', /"nosuch" is not an option of slirp4netns/],
      ['slirp4netns:mtu', 'INVALID', /"mtu" is not an option of slirp4netns: NAME=value/],
      ['slirp4netns:mtu=70000', 'INVALID', /"mtu=70000"/],
      ['slirp4netns:mtu=-1', 'INVALID', /"mtu=-1"/],
      ['slirp4netns:cidr=fd00::/64', 'INVALID', /is not an IPv4 network/],
      ['slirp4netns:cidr=10.0.0.0/30', 'INVALID', /is not an IPv4 network/],
      ['slirp4netns:cidr=10.0.0.0', 'INVALID', /is not an IPv4 network/],
      ['slirp4netns:allow_host_loopback=yes', 'INVALID', /is not true or false/],
      ['slirp4netns:outbound_addr=a b', 'INVALID', /neither an address nor an interface/],
      [
        'slirp4netns:port_handler=rootlesskit',
        'UNSUPPORTED',
        /"port_handler=rootlesskit" is not supported/,
      ],
      ['pasta2:-t,80', 'UNSUPPORTED', /is not supported/],
      ['slirp:mtu=1500', 'UNSUPPORTED', /is not supported/],
    ];
  for (const [network, code, message] of REFUSED) {
    it(`The network is refused: ${network}`, () => {
      expectError(() => plan(network), `ERR_${code}_OPTION`, message);
    });
  }

  it('The network none takes no options', () => {
    expect(args('pasta:')).to.equal(args('pasta'));
  });
});
