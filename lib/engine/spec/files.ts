/** /etc/hosts, /etc/hostname and /etc/resolv.conf: what the container is told about names. */
import { HOST_GATEWAY, type NameConfig } from '../options/names.js';

/** Of a container: an absolute path inside, and the text. */
export interface NameFile {
  readonly path: string;
  readonly content: string;
}

/** The host's own files, read by the caller; with a network only, and with one of its own without `hosts`. */
export interface HostFiles {
  readonly hosts?: string | undefined;
  readonly resolvConf: string;
  /** In place of those that were asked for, which it asks itself. */
  readonly nameServer?: string | undefined;
  /** The host's address in the network. */
  readonly gateway?: string | undefined;
  /** Of the container itself. */
  readonly addresses?: readonly string[] | undefined;
}

/** Docker's (moby libnetwork/etchosts), for a container that has a loopback interface and nothing else. */
const LOOPBACK_HOSTS = `127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
`;

const OWN_LOOPBACK = '127.0.1.1';

/**
 * The three files. Without a network the container's own name leads to its loopback interface (127.0.1.1, as
 * on Debian), so that programs which look themselves up do not wait for a name server.
 */
export function injectedFiles(
  names: NameConfig,
  hostname: string,
  host?: HostFiles,
  domainname?: string,
): readonly NameFile[] {
  let hosts = host?.hosts === undefined ? LOOPBACK_HOSTS : withNewline(host.hosts);
  if (host?.hosts === undefined)
    for (const address of host?.addresses ?? [OWN_LOOPBACK])
      hosts += `${address}\t${ownNames(hostname, domainname)}\n`;
  for (const { name, ip } of names.addHost)
    hosts += `${ip === HOST_GATEWAY ? (host?.gateway ?? '') : ip}\t${name}\n`;
  return [
    { path: '/etc/hosts', content: hosts },
    { path: '/etc/hostname', content: `${hostname}\n` },
    { path: '/etc/resolv.conf', content: resolvConf(withServer(names, host), host?.resolvConf) },
  ];
}

/** In the container's own line of /etc/hosts: as Docker, the whole name and the first part of it (moby libnetwork/etchosts). */
export function ownNames(hostname: string, domainname?: string): string {
  const whole = domainname === undefined ? hostname : `${hostname}.${domainname}`;
  const dot = whole.indexOf('.');
  return dot > 0 ? `${whole} ${whole.slice(0, dot)}` : whole;
}

function withServer(names: NameConfig, host: HostFiles | undefined): NameConfig {
  return host?.nameServer === undefined ? names : { ...names, dns: [host.nameServer] };
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
