/**
 * Firewalls of other programs. A packet is forwarded if all of them accept it: that ours does is not enough.
 *
 * Docker gives the FORWARD chain of iptables(8) the policy to drop, and has the chain DOCKER-USER for rules of others, which it
 * leaves alone. firewalld rejects what no zone allows: a bridge belongs to its zone `trusted` then.
 */
import type { FirewallWarning } from './firewall-warning.js';
import { requestNetlink, type NetlinkOptions } from '../netlink/request.js';
import { counter, type IpFamily, isInterface, verdict } from './nft-expressions.js';
import { type ListedChain, listChains, listRules } from './nft-listing.js';
import { addRule, batch, deleteRule, type Table } from './nft-messages.js';

const TABLES = { ipv4: 'ip', ipv6: 'ip6' } as const satisfies Record<IpFamily, Table['family']>;
const DOCKER_CHAIN = 'DOCKER-USER';
const FIREWALLD_TABLE = 'firewalld';

/**
 * Lets the packets of a network pass the firewalls of others, as far as they have a place for that.
 *
 * @returns what may still drop them
 */
export async function passOtherFirewalls(
  { bridge, families }: { readonly bridge: string; readonly families: readonly IpFamily[] },
  options: NetlinkOptions,
): Promise<FirewallWarning[]> {
  const used = new Set(['inet', ...families.map((family) => TABLES[family])]);
  const chains = (await listChains(options)).filter(({ family }) => used.has(family ?? ''));
  const docker = chains.filter(isDockerChain);
  for (const chain of docker) await addToDocker(chain, bridge, options);
  const passable = new Set(docker.map(({ family, table }) => `${family ?? ''} ${table}`));
  const dropping = chains
    .filter(({ forwards, drops }) => forwards && drops)
    .filter(({ family, table }) => !passable.has(`${family ?? ''} ${table}`))
    .map((chain) => warningOf(chain, bridge));
  if (!chains.some(({ table, forwards }) => table === FIREWALLD_TABLE && forwards)) return dropping;
  const { trustBridge } = await import('./firewalld.js');
  const refused = await trustBridge(bridge);
  return refused === undefined ? dropping : [...dropping, refused];
}

/** The counterpart, for a network that is removed. To firewalld, a name that no interface has makes no difference. */
export async function leaveOtherFirewalls(bridge: string, options: NetlinkOptions): Promise<void> {
  for (const { family, table, name } of (await listChains(options)).filter(isDockerChain)) {
    const place: Table = { family, name: table };
    const rules = await listRules(options, place, name);
    const own = rules.filter(({ comment }) => comment === commentOf(bridge));
    if (own.length > 0)
      await requestNetlink(
        batch(own.map(({ handle }) => deleteRule(place, name, handle))),
        options,
      );
  }
}

type DockerChain = ListedChain & { readonly family: 'ip' | 'ip6' };

function isDockerChain(chain: ListedChain): chain is DockerChain {
  const { family, table, name } = chain;
  return (family === 'ip' || family === 'ip6') && table === 'filter' && name === DOCKER_CHAIN;
}

const commentOf = (bridge: string) => `caisson: ${bridge}`;

/** In the form of iptables(8), which would not show the table otherwise. */
async function addToDocker(
  { family, table, name }: DockerChain,
  bridge: string,
  options: NetlinkOptions,
): Promise<void> {
  const place: Table = { family, name: table };
  const comment = commentOf(bridge);
  const rules = await listRules(options, place, name);
  if (rules.some((rule) => rule.comment === comment)) return;
  const accept = (field: 'iifname' | 'oifname') =>
    addRule(place, {
      chain: name,
      parts: [isInterface(field, bridge), counter(), verdict('accept')],
      first: true,
      comment,
    });
  // Ours still decides what comes to the bridge (ruleset.ts).
  await requestNetlink(batch([accept('iifname'), accept('oifname')]), options);
}

function warningOf({ family, table, name }: ListedChain, bridge: string): FirewallWarning {
  const message = `packets of containers are not forwarded: the policy of the chain ${name} of the table ${family ?? ''} ${table} is to drop them`;
  const ofIptables = table === 'filter' && name === 'FORWARD' && family !== 'inet';
  const program = family === 'ip6' ? 'ip6tables' : 'iptables';
  return {
    message,
    hint: ofIptables
      ? `${program} -I FORWARD -i ${bridge} -j ACCEPT; ${program} -I FORWARD -o ${bridge} -j ACCEPT; with ufw: ufw route allow in on ${bridge}; ufw route allow out on ${bridge}`
      : `nft insert rule ${family ?? ''} ${table} ${name} iifname ${bridge} accept; nft insert rule ${family ?? ''} ${table} ${name} oifname ${bridge} accept`,
  };
}
