/**
 * What makes the resolver seem to listen on port 53 of 127.0.0.11: a rule in the container's network namespace that
 * leads to another port, so that programs of the container can listen on port 53 of all addresses, as with Docker.
 */
import {
  concatenation,
  addChain,
  addElements,
  addRule,
  addSet,
  addTable,
  batch,
  type Chain,
  type Element,
  type NamedSet,
  type Table,
} from '../firewall/nft-messages.js';
import {
  destinationAddress,
  FIELD,
  isFamily,
  translateDestination,
} from '../firewall/nft-expressions.js';
import { be16, type EncodedRequest } from '../netlink/message.js';

/** Above the ports that programs get without asking for one (ip_local_port_range, ip(7)). */
export const RESOLVER_PORT = 61_053;

const ADDRESS = Buffer.of(127, 0, 0, 11);
const DNS_PORT = 53;
/** netinet/in.h: IPPROTO_*. */
const PROTOCOLS = { tcp: 6, udp: 17 } as const;

const TABLE: Table = { family: 'inet', name: 'caisson-resolver' };
const CHAIN: Chain = { name: 'output', type: 'nat', hook: 'output', priority: [-100, '-100'] };
const SERVERS: NamedSet = {
  name: 'servers',
  key: ['ipv4_addr', 'inet_proto', 'inet_service'],
  data: ['ipv4_addr', 'inet_service'],
};

/** For the network namespace of a container that has no such rule yet. */
export function redirectDns(port = RESOLVER_PORT): EncodedRequest {
  const servers = Object.entries(PROTOCOLS).map(([name, protocol]): Element => ({
    key: concatenation(ADDRESS, Buffer.of(protocol), be16(DNS_PORT)),
    data: concatenation(ADDRESS, be16(port)),
    text: `127.0.0.11 . ${name} . ${DNS_PORT} : 127.0.0.11 . ${port}`,
  }));
  const { l4proto, destinationPort } = FIELD;
  const fields = [destinationAddress('ipv4'), l4proto, destinationPort];
  return batch([
    addTable(TABLE),
    addChain(TABLE, CHAIN),
    addSet(TABLE, SERVERS, 1),
    ...addElements(TABLE, SERVERS.name, servers),
    addRule(TABLE, {
      chain: CHAIN.name,
      parts: [isFamily('ipv4'), translateDestination('ipv4', fields, SERVERS.name)],
    }),
  ]);
}
