/** /etc/hosts, /etc/hostname and /etc/resolv.conf: what the container is told about names. */
import { isIP } from 'node:net';
import type { InjectedFile } from '../../program/launch.js';
import { invalid, plainString, stringList, unsupported } from '../../base/check.js';
import type { NetworkOptions } from '../options/options.js';

export interface NameConfig {
  readonly addHost: readonly { readonly name: string; readonly ip: string }[];
  readonly dns: readonly string[];
  readonly dnsSearch: readonly string[];
  readonly dnsOption: readonly string[];
}

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
  if (address === 'host-gateway') {
    throw unsupported(
      'addHost',
      text,
      'needs a network with a gateway, which caisson does not have yet',
    );
  }
  const ip = address.startsWith('[') && address.endsWith(']') ? address.slice(1, -1) : address;
  if (match === null || isIP(ip) === 0) throw invalid('addHost', text, 'is not name:ip');
  return { name: plainString('addHost', name), ip };
}

/** A word of a line of resolv.conf(5): anything with white space in it would be more than that. */
function checkWord(option: string, text: string): string {
  if (!/^[^\s#;]+$/.test(text)) throw invalid(option, text, 'is not one word');
  return text;
}

/** The host's own files, read by the caller; with a network only, and with one of its own without `hosts`. */
export interface HostFiles {
  readonly hosts?: string | undefined;
  readonly resolvConf: string;
}

/** Docker's (moby libnetwork/etchosts), for a container that has a loopback interface and nothing else. */
const LOOPBACK_HOSTS = `127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
`;

/**
 * The three files. Without a network the container's own name leads to its loopback interface (127.0.1.1, as
 * on Debian), so that programs which look themselves up do not wait for a name server.
 */
export function injectedFiles(
  names: NameConfig,
  hostname: string,
  host?: HostFiles,
): readonly InjectedFile[] {
  let hosts =
    host?.hosts === undefined
      ? `${LOOPBACK_HOSTS}127.0.1.1\t${hostname}\n`
      : withNewline(host.hosts);
  for (const { name, ip } of names.addHost) hosts += `${ip}\t${name}\n`;
  return [
    { path: '/etc/hosts', content: hosts },
    { path: '/etc/hostname', content: `${hostname}\n` },
    { path: '/etc/resolv.conf', content: resolvConf(names, host?.resolvConf) },
  ];
}

function withNewline(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`;
}

/**
 * The host's file; what was asked replaces its lines of the same kind, and then the order is Docker's: search,
 * nameserver, options, and what else the host's file says.
 */
function resolvConf({ dns, dnsSearch, dnsOption }: NameConfig, host: string | undefined): string {
  const lines = (host ?? '').split('\n').filter((line) => line.trim() !== '');
  if (dns.length + dnsSearch.length + dnsOption.length > 0) {
    const of = (...keywords: readonly string[]) =>
      lines.filter((line) => keywords.includes(keywordOf(line)));
    const known = ['search', 'domain', 'nameserver', 'options'];
    lines.splice(
      0,
      lines.length,
      ...(dnsSearch.length === 0 ? of('search', 'domain') : searchLine(dnsSearch)),
      ...(dns.length === 0 ? of('nameserver') : dns.map((address) => `nameserver ${address}`)),
      ...(dnsOption.length === 0 ? of('options') : [`options ${dnsOption.join(' ')}`]),
      ...lines.filter((line) => !known.includes(keywordOf(line))),
    );
  }
  return lines.map((line) => `${line}\n`).join('');
}

function keywordOf(line: string): string {
  return line.trimStart().split(/\s/, 1)[0] ?? '';
}

/** `.` alone is Docker's word for "no search list at all". */
function searchLine(domains: readonly string[]): string[] {
  return domains.length === 1 && domains[0] === '.' ? [] : [`search ${domains.join(' ')}`];
}
