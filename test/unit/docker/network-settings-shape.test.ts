import { expect } from 'chai';
import { inspectShape } from '../../../lib/docker/inspect-shape.js';
import { endpointId } from '../../../lib/docker/network-shape.js';
import { portsText } from '../../../lib/docker/port-shape.js';
import { psShape } from '../../../lib/docker/ps-shape.js';
import { matches, parseFilters } from '../../../lib/engine/views/filters.js';
import { parseTemplate } from '../../../lib/cli/template/go-template.js';
import type { ContainerInfo, PortInfo } from '../../../lib/engine/store/stored.js';
import { containerInfo } from '../support/container-info.js';

const BRIDGE = 'b1'.repeat(32);
const WEB = 'c2'.repeat(32);

const port = (hostIp: string, hostPort: number, containerPort: number): PortInfo => ({
  hostIp,
  hostPort,
  containerPort,
  protocol: 'tcp',
});

const onBridge: ContainerInfo = {
  ...containerInfo({ options: { network: 'bridge', ports: ['8080:80', '53/udp'] } }),
  networks: [
    {
      network: 'bridge',
      networkId: BRIDGE,
      ipv4: '172.17.0.2/16',
      gateway: '172.17.0.1',
      mac: '02:42:ac:11:00:02',
      aliases: [],
      dnsNames: [],
      wanted: {},
      gatewayPriority: 0,
    },
  ],
  ports: [
    { hostIp: '0.0.0.0', hostPort: 40_000, containerPort: 53, protocol: 'udp' },
    port('0.0.0.0', 8080, 80),
  ],
};

const onWeb: ContainerInfo = {
  ...containerInfo({
    options: { network: 'web', ip: '10.77.0.9', ip6: 'fd00:77::9', networkAliases: ['db'] },
  }),
  networks: [
    {
      network: 'web',
      networkId: WEB,
      ipv4: '10.77.0.9/24',
      gateway: '10.77.0.1',
      ipv6: 'fd00:77::9/64',
      ipv6Gateway: 'fd00:77::1',
      mac: '02:00:00:00:00:09',
      aliases: ['db'],
      dnsNames: ['brave_brunel', 'db', 'a1b2c3d4e5f6'],
      wanted: { ip: '10.77.0.9', ip6: 'fd00:77::9' },
      gatewayPriority: 0,
    },
  ],
  ports: [],
};

interface Shape {
  readonly NetworkSettings: Readonly<Record<string, unknown>> & {
    readonly Networks: Readonly<Record<string, unknown>>;
  };
  readonly HostConfig: Readonly<Record<string, unknown>>;
  readonly Config: Readonly<Record<string, unknown>>;
}

const shape = (info: ContainerInfo) => JSON.parse(JSON.stringify(inspectShape(info))) as Shape;

describe('The networks of a container as Docker shows them', () => {
  it('The network bridge is described at the top, too', () => {
    const { NetworkSettings: found } = shape(onBridge);
    const address = {
      EndpointID: endpointId(BRIDGE, onBridge.config.id),
      Gateway: '172.17.0.1',
      GlobalIPv6Address: '',
      GlobalIPv6PrefixLen: 0,
      IPAddress: '172.17.0.2',
      IPPrefixLen: 16,
      IPv6Gateway: '',
      MacAddress: '02:42:ac:11:00:02',
    };
    expect(found).to.deep.include({ ...address, SandboxKey: '/proc/4242/ns/net' });
    expect(found['SandboxID']).to.match(/^[0-9a-f]{64}$/);
    expect(found.Networks).to.deep.equal({
      bridge: {
        IPAMConfig: null,
        Links: null,
        Aliases: null,
        DriverOpts: null,
        GwPriority: 0,
        NetworkID: BRIDGE,
        ...address,
        DNSNames: null,
      },
    });
  });

  it('A created network is described below Networks alone', () => {
    const { NetworkSettings: found } = shape(onWeb);
    expect(found).to.deep.include({ IPAddress: '', IPPrefixLen: 0, MacAddress: '', Gateway: '' });
    expect(found.Networks).to.deep.equal({
      web: {
        IPAMConfig: { IPv4Address: '10.77.0.9', IPv6Address: 'fd00:77::9' },
        Links: null,
        Aliases: ['db'],
        DriverOpts: null,
        GwPriority: 0,
        NetworkID: WEB,
        EndpointID: endpointId(WEB, onWeb.config.id),
        Gateway: '10.77.0.1',
        IPAddress: '10.77.0.9',
        IPPrefixLen: 24,
        IPv6Gateway: 'fd00:77::1',
        GlobalIPv6Address: 'fd00:77::9',
        GlobalIPv6PrefixLen: 64,
        MacAddress: '02:00:00:00:00:09',
        DNSNames: ['brave_brunel', 'db', 'a1b2c3d4e5f6'],
      },
    });
  });

  it('A container that does not run has the network without addresses', () => {
    const { ipv4: _, ...endpoint } = onWeb.networks![0]!;
    const stopped = {
      ...containerInfo({ options: { network: 'web' }, state: { pid: 0 }, status: 'exited' }),
      networks: [endpoint],
      ports: [],
    };
    const { NetworkSettings: found } = shape(stopped);
    expect(found).to.deep.include({ SandboxID: '', SandboxKey: '', Ports: {} });
    expect(found.Networks['web']).to.deep.include({
      IPAddress: '',
      EndpointID: '',
      NetworkID: WEB,
    });
  });

  it('Ports are there as they were asked for, and as they are', () => {
    const { NetworkSettings, HostConfig, Config } = shape(onBridge);
    expect(NetworkSettings['Ports']).to.deep.equal({
      '53/udp': [{ HostIp: '0.0.0.0', HostPort: '40000' }],
      '80/tcp': [{ HostIp: '0.0.0.0', HostPort: '8080' }],
    });
    expect(HostConfig['PortBindings']).to.deep.equal({
      '53/udp': [{ HostIp: '', HostPort: '' }],
      '80/tcp': [{ HostIp: '', HostPort: '8080' }],
    });
    expect(Config['ExposedPorts']).to.deep.equal({ '53/udp': {}, '80/tcp': {} });
    const exposing = shape({ ...onBridge, exposed: [{ containerPort: 443, protocol: 'tcp' }] });
    expect(exposing.NetworkSettings['Ports']).to.deep.include({
      '443/tcp': null,
      '80/tcp': [{ HostIp: '0.0.0.0', HostPort: '8080' }],
    });
    expect(shape(onWeb).Config).to.not.have.property('ExposedPorts');
  });

  it('Templates that people use find addresses and ports', () => {
    const render = (text: string) =>
      parseTemplate(text).execute(inspectShape(onBridge), { missingKey: 'error' });
    expect(
      render('{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.GwPriority}}{{end}}'),
    ).to.equal('172.17.0.2 0');
    expect(render('{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}')).to.equal(
      '8080',
    );
    expect(
      render(
        '{{range $p, $all := .NetworkSettings.Ports}}{{range $all}}{{$p}} {{.HostIP}} {{end}}{{end}}',
      ),
    ).to.equal('53/udp 0.0.0.0 80/tcp 0.0.0.0 ');
    expect(render('{{index .NetworkSettings.Networks "bridge" | json}}')).to.match(
      /^\{"IPAMConfig"/,
    );
  });
});

describe('The ports and networks of ps', () => {
  it('Ports that follow each other are one range, and those that differ come last', () => {
    const same = (hostIp: string, first: number, last: number) =>
      Array.from({ length: last - first + 1 }, (_, at) => port(hostIp, first + at, first + at));
    expect(
      portsText([
        port('0.0.0.0', 8080, 80),
        ...same('::', 90, 92),
        ...same('0.0.0.0', 90, 92),
        port('0.0.0.0', 95, 95),
        port('::', 8080, 80),
      ]),
    ).to.equal(
      '0.0.0.0:90-92->90-92/tcp, 0.0.0.0:95->95/tcp, [::]:90-92->90-92/tcp, 0.0.0.0:8080->80/tcp, [::]:8080->80/tcp',
    );
    expect(portsText([])).to.equal('');
  });

  it('Ports that are only exposed have no address, and their ranges are in the order of the ports', () => {
    const exposed = (containerPort: number, protocol: 'tcp' | 'udp' = 'tcp') => ({ containerPort, protocol }); // prettier-ignore
    expect(portsText([], [exposed(81), exposed(80), exposed(80, 'udp'), exposed(90)])).to.equal(
      '80-81/tcp, 90/tcp, 80/udp',
    );
    expect(
      portsText([port('0.0.0.0', 80, 80), port('::', 8081, 81)], [exposed(82), exposed(53, 'udp')]),
    ).to.equal(
      // prettier-ignore
      '53/udp, 0.0.0.0:80->80/tcp, 82/tcp, [::]:8081->81/tcp',
    );
  });

  it('A row has both', () => {
    expect(psShape(onBridge, new Date())).to.deep.include({
      Networks: 'bridge',
      Ports: '0.0.0.0:40000->53/udp, 0.0.0.0:8080->80/tcp',
    });
    expect(psShape(onWeb, new Date())).to.deep.include({ Networks: 'web', Ports: '' });
  });

  for (const [filters, found] of [
    [['network=bridge'], true],
    [[`network=${BRIDGE}`], true],
    [['network=b1b1'], true],
    [['network=web'], false],
    [['publish=8080'], true],
    [['publish=8080/udp'], false],
    [['publish=80'], false],
    [['publish=8000-9000/tcp'], true],
    [['expose=80'], true],
    [['expose=8080'], false],
    [['expose=50-60/udp'], true],
    [['expose=443'], true],
    [['expose=443/udp'], false],
    [['publish=443'], false],
    [['publish=1', 'expose=80'], true],
    [['publish=1', 'publish=8080'], true],
  ] as const)
    it(`The filter ${filters.join(' ')} ${found ? 'selects' : 'does not select'} it`, () => {
      const exposing: ContainerInfo = { ...onBridge, exposed: [{ containerPort: 443, protocol: 'tcp' }] }; // prettier-ignore
      expect(matches(parseFilters(filters), exposing, [exposing])).to.equal(found);
    });
});
