/** resolv.conf(5). */
import { isIP } from 'node:net';

/** The addresses of its name servers, in order; those of one link with their zone: `fe80::1%eth0`. */
export function nameServersIn(text: string): string[] {
  return [...text.matchAll(/^\s*nameserver\s+(\S+)/gm)]
    .map(([, address = '']) => address)
    .filter((address) => isIP(address.replace(/%.*/, '')) !== 0);
}
