/** HTTP_PROXY, HTTPS_PROXY and NO_PROXY, as Docker reads them (Go's package httpproxy). */
import { BlockList, isIP } from 'node:net';
import { CaissonError } from '../../base/errors.js';

type Env = Readonly<Record<string, string | undefined>>;

/**
 * The proxy for a URL; undefined where there is none. This machine is never reached by way of a proxy.
 *
 * @throws ERR_REGISTRY_CONFIG for a value that is not the URL of a proxy that can be used
 */
export function proxyFor(url: URL, env: Env): URL | undefined {
  const value =
    url.protocol === 'https:'
      ? read(env, 'HTTPS_PROXY')
      : // In a CGI program the request's header Proxy has this name (CVE-2016-5386).
        env['REQUEST_METHOD'] === undefined
        ? read(env, 'HTTP_PROXY')
        : undefined;
  if (value === undefined) return undefined;
  const host = bareHost(url.hostname);
  if (isLoopback(host) || isExempt(host, portOf(url), read(env, 'NO_PROXY') ?? ''))
    return undefined;
  return parseProxy(value);
}

/** Without the brackets of an IPv6 address. */
export function bareHost(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, '$1');
}

/** `localhost`, 127.0.0.0/8 or ::1. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

export function portOf(url: URL): string {
  return url.port !== '' ? url.port : url.protocol === 'https:' ? '443' : '80';
}

function read(env: Env, name: string): string | undefined {
  const value = env[name] ?? env[name.toLowerCase()];
  return value === undefined || value.trim() === '' ? undefined : value.trim();
}

function parseProxy(value: string): URL {
  let url: URL | undefined;
  try {
    url = new URL(/^[a-z0-9]+:\/\//i.test(value) ? value : `http://${value}`);
  } catch {
    // Refused below.
  }
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    // The value may have a password.
    throw new CaissonError('ERR_REGISTRY_CONFIG', 'the proxy of HTTP_PROXY or HTTPS_PROXY cannot be used', {
      stage: 'image',
      path: 'HTTPS_PROXY',
      hint: 'a proxy is http://[USER:PASSWORD@]HOST[:PORT], or the same with https; SOCKS is not supported',
    }); // prettier-ignore
  }
  return url;
}

function isExempt(host: string, port: string, list: string): boolean {
  return list
    .toLowerCase()
    .split(',')
    .map((entry) => entry.trim())
    .some((entry) => entry === '*' || (entry !== '' && matches(entry, host, port)));
}

/** @param entry an address, a range of addresses, or a name, which stands for those below it too. */
function matches(entry: string, host: string, port: string): boolean {
  const [address = '', prefix] = entry.split('/');
  if (prefix !== undefined) return inRange(host, address, Number(prefix));
  const [, name = entry, entryPort] = /^(\[[^\]]+\]|[^:]+):(\d+)$/.exec(entry) ?? [];
  if (entryPort !== undefined && entryPort !== port) return false;
  const bare = bareHost(name).replace(/^\*(?=\.)/, '');
  if (isIP(bare) !== 0) return inRange(host, bare, isIP(bare) === 4 ? 32 : 128);
  return bare.startsWith('.') ? host.endsWith(bare) : host === bare || host.endsWith(`.${bare}`);
}

function inRange(host: string, address: string, prefix: number): boolean {
  const family = isIP(address);
  if (family === 0 || isIP(host) !== family) return false;
  if (!Number.isInteger(prefix) || prefix < 0 || prefix > (family === 4 ? 32 : 128)) return false;
  const type = family === 4 ? 'ipv4' : 'ipv6';
  const range = new BlockList();
  range.addSubnet(address, prefix, type);
  return range.check(host, type);
}
