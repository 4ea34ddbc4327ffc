/** How pasta and slirp4netns are told which ports of the host lead to a container. */
import { expect } from 'chai';
import { normalize } from '../../../lib/engine/options/config.js';
import { planNetwork } from '../../../lib/network/user-network.js';
import {
  pastaArguments,
  pastaFamilies,
  planUserPorts,
  slirpRequests,
} from '../../../lib/network/user-ports.js';
import type { CaissonError } from '../../../lib/base/errors.js';

const IMAGE = { env: [], cmd: [], entrypoint: [] };
const FACTS = { cpus: '0-1', mems: '0' };
const BOTH = { ipv4: '0.0.0.0', ipv6: '::' };

const config = (network: string, ...ports: string[]) =>
  normalize(['true'], { network, ports }, IMAGE, FACTS);
const plan = (network: string, ...ports: string[]) => planUserPorts(config(network, ...ports), false); // prettier-ignore
const refusal = async (network: string, ...ports: string[]): Promise<CaissonError> =>
  plan(network, ...ports).then(
    () => {
      throw new Error('it was not refused');
    },
    (error: unknown) => error as CaissonError,
  );

describe('ports of a network in user mode', () => {
  it('The program pasta has one argument for each port, with its address if it has one', async () => {
    const ports = ['8080:80', '127.0.0.1:8053:53/udp', '9000-9001:90-91'];
    expect(pastaArguments(await plan('pasta:-4', ...ports))).to.deep.equal([
      '-t0.0.0.0/8080:80',
      '-u127.0.0.1/8053:53',
      '-t0.0.0.0/9000:90',
      '-t0.0.0.0/9001:91',
    ]);
    expect(pastaArguments(await plan('pasta:-6', '8080:80', '[::1]:8081:80'))).to.deep.equal([
      '-t::/8080:80',
      '-t::1/8081:80',
    ]);
  });

  it('A port of both families is one argument without an address, and two sockets', () => {
    const port = { hostPort: 8080, containerPort: 80, protocol: 'tcp' } as const;
    const bound = ['0.0.0.0', '::'].map((hostIp) => ({ ...port, hostIp }));
    expect(pastaArguments({ ports: [port], bound })).to.deep.equal(['-t8080:80']);
  });

  it('The program pasta has the families of its options, and IPv6 only with a route of the host', () => {
    expect(pastaFamilies([], true)).to.deep.equal(BOTH);
    expect(pastaFamilies([], false)).to.deep.equal({ ipv4: '0.0.0.0' });
    expect(pastaFamilies(['-4'], true)).to.deep.equal({ ipv4: '0.0.0.0' });
    expect(pastaFamilies(['--ipv6-only'], false)).to.deep.equal({ ipv6: '::' });
  });

  it('Ports take the place of the argument that closes their protocol, beside those of its own options', async () => {
    const network = 'pasta:-4,-t,18080:80';
    const given = config(network, '8053:53/udp');
    const { args } = planNetwork(given, '', await planUserPorts(given, false)).helper;
    expect(args.join(' ')).to.include('-4 -t 18080:80 -T none -U none -u0.0.0.0/8053:53 --no-map-gw'); // prettier-ignore
    expect(args).not.to.include('-u');
  });

  it('The program slirp4netns has one request for each port, and a socket', async () => {
    const given = config('slirp4netns', '8080:80', '127.0.0.1:8053:53/udp');
    const ports = await planUserPorts(given, false);
    expect(slirpRequests(ports).map((text) => JSON.parse(text) as unknown)).to.deep.equal([
      {
        execute: 'add_hostfwd',
        arguments: { proto: 'tcp', host_addr: '0.0.0.0', host_port: 8080, guest_port: 80 },
      },
      {
        execute: 'add_hostfwd',
        arguments: { proto: 'udp', host_addr: '127.0.0.1', host_port: 8053, guest_port: 53 },
      },
    ]);
    const { args, namespaceAt, socketAt = 0, requests } = planNetwork(given, '', ports).helper;
    expect(args.slice(socketAt - 1, socketAt + 1)).to.deep.equal(['--api-socket', 'SOCKET']);
    expect(args[namespaceAt]).to.equal('NETNS');
    expect(requests).to.have.length(2);
    expect(planNetwork(config('slirp4netns'), '').helper.args).not.to.include('--api-socket');
  });

  it('What cannot be forwarded is refused', async () => {
    for (const [network, ports, code, words] of [
      ['pasta', ['8080:80/sctp'], 'UNSUPPORTED', /pasta does not forward SCTP/],
      ['slirp4netns', ['8080:80/sctp'], 'UNSUPPORTED', /slirp4netns does not forward SCTP/],
      ['slirp4netns', ['[::]:8080:80'], 'UNSUPPORTED', /IPv6, which the network does not have/],
      ['pasta:-4', ['[::]:8080:80'], 'UNSUPPORTED', /IPv6, which the network does not have/],
      ['pasta:-6', ['127.0.0.1:8080:80'], 'UNSUPPORTED', /IPv4, which the network does not have/],
      ['pasta', ['1-500:1-500'], 'UNSUPPORTED', /more than pasta is given here/],
      [
        'pasta:-4',
        ['127.0.0.1:8080:80', '127.0.0.2:8080:80'],
        'CONFLICTING',
        /127\.0\.0\.2:8080:80\/tcp: pasta publishes a port of the host at one address/,
      ],
    ] as const) {
      const error = await refusal(network, ...ports);
      expect(error.code, network).to.match(new RegExp(`^ERR_${code}_OPTIONS?$`));
      expect(error.message, network).to.match(words);
    }
  });

  it('The program slirp4netns publishes a port at two of several addresses', async () => {
    const { bound } = await plan('slirp4netns', '127.0.0.1:8080:80', '127.0.0.2:8080:80');
    expect(bound.map(({ hostIp }) => hostIp)).to.deep.equal(['127.0.0.1', '127.0.0.2']);
  });

  it('Ports of networks without addresses of their own are refused, and ::1 with bridges alone', () => {
    for (const network of ['none', 'host'])
      expect(() => config(network, '80:80')).to.throw(/needs a network with addresses of its own/);
    expect(() => config('bridge', '[::1]:80:80')).to.throw(/::1, which the kernel does not forward/); // prettier-ignore
    expect(config('pasta', '[::1]:80:80').ports[0]?.hostIp).to.equal('::1');
  });
});
