/** What a container is to be told about names: extra hosts and name servers, checked. */
import { isIP } from 'node:net';
import { invalid, plainString, stringList } from '../../base/check.js';
import type { NetworkOptions } from './options.js';

export interface NameConfig {
  /** `ip` may be HOST_GATEWAY. */
  readonly addHost: readonly { readonly name: string; readonly ip: string }[];
  readonly dns: readonly string[];
  readonly dnsSearch: readonly string[];
  readonly dnsOption: readonly string[];
}

/** In place of an address: the host's, in the container's network. */
export const HOST_GATEWAY = 'host-gateway';

const NO_NAMES: NameConfig = Object.freeze({
  addHost: Object.freeze([]),
  dns: Object.freeze([]),
  dnsSearch: Object.freeze([]),
  dnsOption: Object.freeze([]),
});

export function normalizeNames(options: NetworkOptions): NameConfig {
  const { addHost, dns, dnsSearch, dnsOption } = options;
  if (
    addHost === undefined &&
    dns === undefined &&
    dnsSearch === undefined &&
    dnsOption === undefined
  )
    return NO_NAMES;
  return {
    addHost: stringList('addHost', addHost ?? []).map(parseHost),
    dns: stringList('dns', dns ?? []).map((text) => {
      const address = text.trim();
      if (isIP(address) === 0) throw invalid('dns', address, 'is not an IP address');
      return address;
    }),
    dnsSearch: stringList('dnsSearch', dnsSearch ?? []).map((domain) => {
      // A dot alone stands for no search at all.
      if (domain !== '.' && !/^[^.]+(?:\.[^.]+)*\.?$/.test(domain))
        throw invalid('dnsSearch', domain, 'is not a domain');
      return checkWord('dnsSearch', domain);
    }),
    dnsOption: stringList('dnsOption', dnsOption ?? []).map((option) =>
      checkWord('dnsOption', option),
    ),
  };
}

/** `name:ip` or `name=ip`; an IPv6 address may stand in brackets. */
function parseHost(text: string): { name: string; ip: string } {
  const match = /^([^:=\s]+)[:=](.+)$/.exec(text);
  const [, name = '', address = ''] = match ?? [];
  if (address === HOST_GATEWAY) return { name: plainString('addHost', name), ip: HOST_GATEWAY };
  const ip = address.startsWith('[') && address.endsWith(']') ? address.slice(1, -1) : address;
  if (match === null || isIP(ip) === 0) throw invalid('addHost', text, 'is not name:ip');
  return { name: plainString('addHost', name), ip };
}

/** A word of a line of resolv.conf(5): anything with white space in it would be more than that. */
function checkWord(option: string, text: string): string {
  if (!/^[^\s#;]+$/.test(text)) throw invalid(option, text, 'is not one word');
  return text;
}
