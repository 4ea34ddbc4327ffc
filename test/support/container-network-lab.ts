/**
 * A host with container networks, its containers, and a machine outside that can route to all of them: network namespaces,
 * with addresses as follows.
 *
 * | machine  | addresses                            |
 * |----------|--------------------------------------|
 * | outside  | 192.0.2.2, 2001:db8::2               |
 * | host     | 192.0.2.1, 2001:db8::1, each bridge's `.1` |
 * | a1, a2   | network `caisson0`: 10.80.0.2 and .3, fd00:80::2 and ::3 |
 * | b1       | network `cai-b`: 10.81.0.2, fd00:81::2 |
 * | i1, i2   | internal network `cai-i`: 10.82.0.2 and .3, fd00:82::2 and ::3 |
 */
import { networkRequest } from '../../lib/network/firewall/elements.js';
import { tableRequest } from '../../lib/network/firewall/ruleset.js';
import {
  encodeRequest,
  NETLINK,
  type EncodedRequest,
  type NetlinkMessage,
} from '../../lib/network/netlink/message.js';
import { dumpNetlink, requestNetlink } from '../../lib/network/netlink/request.js';
import { setBridgePort } from '../../lib/network/netlink/bridge-port.js';
import {
  addAddress,
  addBridge,
  decodeLink,
  GET_LINKS,
  setLinkUp,
} from '../../lib/network/netlink/rtnetlink.js';
import { Machine } from './network-machine.js';

const NETWORKS = [
  { bridge: 'caisson0', number: 80, internal: false, containers: ['a1', 'a2'] },
  { bridge: 'cai-b', number: 81, internal: false, containers: ['b1'] },
  { bridge: 'cai-i', number: 82, internal: true, containers: ['i1', 'i2'] },
] as const;
type ContainerName = (typeof NETWORKS)[number]['containers'][number];

export const HOST = { ipv4: '192.0.2.1', ipv6: '2001:db8::1' } as const;
export const OUTSIDE = { ipv4: '192.0.2.2', ipv6: '2001:db8::2' } as const;
export const ADDRESSES: Readonly<Record<ContainerName, { ipv4: string; ipv6: string }>> = {
  a1: { ipv4: '10.80.0.2', ipv6: 'fd00:80::2' },
  a2: { ipv4: '10.80.0.3', ipv6: 'fd00:80::3' },
  b1: { ipv4: '10.81.0.2', ipv6: 'fd00:81::2' },
  i1: { ipv4: '10.82.0.2', ipv6: 'fd00:82::2' },
  i2: { ipv4: '10.82.0.3', ipv6: 'fd00:82::3' },
};

export class ContainerNetworkLab {
  private constructor(
    readonly host: Machine,
    readonly outside: Machine,
    readonly containers: Readonly<Record<ContainerName, Machine>>,
  ) {}

  /** The firewall's table has the networks; no port is published. Each machine serves port 80, over TCP and UDP. */
  static async make(): Promise<ContainerNetworkLab> {
    const names = ['host', 'outside', ...NETWORKS.flatMap(({ containers }) => containers)] as const;
    const made = await Promise.all(names.map(async (name) => [name, await Machine.make(name)]));
    const machines = Object.fromEntries(made) as Record<(typeof names)[number], Machine>;
    const { host, outside } = machines;
    const lab = new ContainerNetworkLab(host, outside, machines);
    try {
      await lab.connect();
      await Promise.all(
        Object.values(machines).flatMap((machine) => [
          machine.serve('tcp', 80),
          machine.serve('udp', 80),
        ]),
      );
      return lab;
    } catch (error) {
      await lab.end();
      throw error;
    }
  }

  private async connect(): Promise<void> {
    const { host, outside } = this;
    await host.connect('eth0', outside, 'eth0');
    const mask = 'dev eth0 nodad';
    await host.ip(`address add ${HOST.ipv4}/24 dev eth0`, `address add ${HOST.ipv6}/64 ${mask}`);
    await outside.ip(
      `address add ${OUTSIDE.ipv4}/24 dev eth0`,
      `address add ${OUTSIDE.ipv6}/64 ${mask}`,
      // Routes to the containers: what a neighbour on the host's network can give itself.
      `route add 10.80.0.0/14 via ${HOST.ipv4}`,
      `-6 route add fd00::/16 via ${HOST.ipv6}`,
    );
    await host.sysctl('net/ipv4/ip_forward', 1);
    await host.sysctl('net/ipv6/conf/all/forwarding', 1);
    await this.request(tableRequest());
    for (const { bridge, number, internal, containers } of NETWORKS) {
      await this.routes(addBridge(bridge, {}));
      const links = await dumpNetlink(NETLINK.route, GET_LINKS, this.place);
      const index = links.map(decodeLink).find(({ name }) => name === bridge)?.index ?? 0;
      await this.routes(
        setLinkUp(index, bridge),
        addAddress(index, bridge, { address: `10.${number}.0.1`, prefix: 24 }),
        addAddress(index, bridge, { address: `fd00:${number}::1`, prefix: 64 }),
      );
      await host.sysctl(`net/ipv4/conf/${bridge}/route_localnet`, 1);
      await this.request(
        networkRequest({ bridge, internal, neighbours: true, masquerade: ['ipv4', 'ipv6'] }),
      );
      for (const name of containers) {
        const container = this.containers[name];
        const { ipv4, ipv6 } = ADDRESSES[name];
        await host.connect(`veth-${name}`, container, 'eth0');
        await host.ip(`link set veth-${name} master ${bridge}`);
        await this.routes(setBridgePort(`veth-${name}`, { hairpin: true }));
        await container.ip(
          `address add ${ipv4}/24 dev eth0`,
          `address add ${ipv6}/64 ${mask}`,
          // Internal networks have a default route here, too: the firewall alone keeps them in.
          `route add default via 10.${number}.0.1`,
          `-6 route add default via fd00:${number}::1`,
        );
      }
    }
  }

  /** The host's network namespace, for requests. */
  get place(): { readonly namespace: string } {
    return { namespace: this.host.namespace.path };
  }

  async request(request: EncodedRequest): Promise<void> {
    await requestNetlink(request, this.place);
  }

  private async routes(...messages: readonly NetlinkMessage[]): Promise<void> {
    await this.request(encodeRequest(NETLINK.route, messages));
  }

  /** The host's rules, as nft(8) shows them. */
  nft(...words: readonly string[]): Promise<string> {
    return this.host.namespace.run('nft', ...words);
  }

  /** Whether frames between ports of a bridge pass the firewall. False: this kernel has no br_netfilter. */
  async callFirewallFromBridges(called: boolean): Promise<boolean> {
    try {
      for (const tables of ['iptables', 'ip6tables'])
        await this.host.sysctl(`net/bridge/bridge-nf-call-${tables}`, Number(called));
      return true;
    } catch {
      return false;
    }
  }

  async end(): Promise<void> {
    await Promise.all(
      [this.host, this.outside, ...Object.values(this.containers)].map((each) => each.end()),
    );
  }
}
