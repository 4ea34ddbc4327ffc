import { expect } from 'chai';
import { parseTemplate } from '../../../lib/cli/template/go-template.js';
import { networkRow, networkShape } from '../../../lib/docker/network-shape.js';
import type { NetworkInfo } from '../../../lib/engine/networks/network-info.js';

const NETWORK: NetworkInfo = {
  id: 'ab'.repeat(32),
  name: 'web',
  driver: 'bridge',
  created: '2026-01-31T08:00:00.120Z',
  bridge: 'cai-abababababa',
  ipv4: { subnet: '10.1.0.0/16', gateway: '10.1.0.1', ipRange: '10.1.4.0/24' },
  ipv6: { subnet: 'fd00::/64', gateway: 'fd00::1', auxAddresses: { a: 'fd00::9' } },
  internal: true,
  attachable: false,
  labels: { tier: 'front', 'com.example.some-name': 'x' },
  options: { 'com.docker.network.driver.mtu': '1400' },
  containers: [
    {
      containerId: 'cd'.repeat(32),
      name: 'box',
      ipv4: '10.1.4.2/16',
      ipv6: 'fd00::2/64',
      mac: '02:42:0a:01:04:02',
    },
  ],
};

const HOST: NetworkInfo = {
  id: '12'.repeat(32),
  name: 'host',
  driver: 'host',
  internal: false,
  attachable: false,
  labels: {},
  options: {},
  containers: [],
};

describe('network inspect', () => {
  it('A network has the fields of Docker’s', () => {
    const shape = JSON.parse(JSON.stringify(networkShape(NETWORK))) as Record<string, unknown>;
    const containers = shape['Containers'] as Record<string, { EndpointID: string }>;
    expect(containers['cd'.repeat(32)]?.EndpointID).to.match(/^[0-9a-f]{64}$/);
    containers['cd'.repeat(32)]!.EndpointID = '';
    expect(shape).to.deep.equal({
      Name: 'web',
      Id: NETWORK.id,
      Created: '2026-01-31T08:00:00.120Z',
      Scope: 'local',
      Driver: 'bridge',
      EnableIPv4: true,
      EnableIPv6: true,
      IPAM: {
        Driver: 'default',
        Options: null,
        Config: [
          { Subnet: '10.1.0.0/16', IPRange: '10.1.4.0/24', Gateway: '10.1.0.1' },
          { Subnet: 'fd00::/64', Gateway: 'fd00::1', AuxiliaryAddresses: { a: 'fd00::9' } },
        ],
      },
      Internal: true,
      Attachable: false,
      Ingress: false,
      ConfigFrom: { Network: '' },
      ConfigOnly: false,
      Containers: {
        ['cd'.repeat(32)]: {
          Name: 'box',
          EndpointID: '',
          MacAddress: '02:42:0a:01:04:02',
          IPv4Address: '10.1.4.2/16',
          IPv6Address: 'fd00::2/64',
        },
      },
      Options: { 'com.docker.network.driver.mtu': '1400' },
      Labels: { tier: 'front', 'com.example.some-name': 'x' },
    });
  });

  it('A network without subnets has none', () => {
    expect(networkShape(HOST)).to.deep.include({ Driver: 'host', EnableIPv6: false });
    expect(JSON.stringify(networkShape(HOST))).to.include('"Config":null');
    expect(JSON.stringify(networkShape({ ...HOST, driver: 'bridge' }))).to.include('"Config":[]');
  });

  it('The network bridge shows the options that it works by, and others those that were given', () => {
    const bridge = { ...NETWORK, name: 'bridge', bridge: 'caisson0', options: {} };
    expect(networkShape(bridge)).to.have.property('Options').that.deep.equals({
      'com.docker.network.bridge.default_bridge': 'true',
      'com.docker.network.bridge.enable_icc': 'true',
      'com.docker.network.bridge.enable_ip_masquerade': 'true',
      'com.docker.network.bridge.host_binding_ipv4': '0.0.0.0',
      'com.docker.network.bridge.name': 'caisson0',
      'com.docker.network.driver.mtu': '1500',
    });
    // It has no device before it is first needed.
    expect(networkShape({ ...HOST, name: 'bridge', driver: 'bridge' }))
      .to.have.property('Options')
      .that.has.property('com.docker.network.bridge.default_bridge', 'true')
      .and.not.has.property('com.docker.network.bridge.name');
    expect(networkShape({ ...bridge, name: 'web' })).to.deep.include({ Options: {} });
  });

  it('Templates reach its fields, and a missing label is empty', () => {
    const render = (text: string) =>
      parseTemplate(text).execute(networkShape(NETWORK), { missingKey: 'error' });
    expect(render('{{range .IPAM.Config}}{{.Subnet}} {{.IPRange}};{{end}}')).to.equal('10.1.0.0/16 10.1.4.0/24;fd00::/64 ;'); // prettier-ignore
    expect(render('{{index .Labels "tier"}}{{index .Labels "none"}}')).to.equal('front');
    expect(render('{{.ID}} {{range $id, $c := .Containers}}{{$c.Name}}{{end}}')).to.equal(`${NETWORK.id} box`); // prettier-ignore
  });
});

describe('network ls', () => {
  it('A row has the fields of Docker’s', () => {
    expect(JSON.parse(JSON.stringify(networkRow(NETWORK)))).to.deep.equal({
      CreatedAt: '2026-01-31 08:00:00.12 +0000 UTC',
      Driver: 'bridge',
      ID: 'abababababab',
      IPv4: 'true',
      IPv6: 'true',
      Internal: 'true',
      Labels: 'tier=front,com.example.some-name=x',
      Name: 'web',
      Scope: 'local',
    });
    expect(networkRow(NETWORK, true).ID).to.equal(NETWORK.id);
    expect(networkRow(NETWORK).Label('tier')).to.equal('front');
    expect(networkRow(NETWORK).Label('toString')).to.equal('');
    expect(networkRow(HOST).CreatedAt).to.equal('0001-01-01 00:00:00 +0000 UTC');
    expect(networkRow({ ...NETWORK, created: '2026-01-31T10:20:30.000Z' }).CreatedAt).to.equal('2026-01-31 10:20:30 +0000 UTC'); // prettier-ignore
  });
});
