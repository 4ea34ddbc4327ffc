/** Whether this machine forwards packets, which container networks need. */
import { readFileSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { isErrno } from '../../base/errno.js';
import { loadNative } from '../../native/load.js';
import type { IpFamily } from './nft-expressions.js';

const ROOT = '/proc/sys';
const SWITCHES = {
  ipv4: 'net/ipv4/ip_forward',
  ipv6: 'net/ipv6/conf/all/forwarding',
} as const satisfies Record<IpFamily, string>;

/** The character 0. */
const OFF = 0x30;

/** Families that the machine does not forward. One that the kernel does not have is none of them. */
export function notForwarded(families: readonly IpFamily[]): IpFamily[] {
  const native = loadNative();
  return families.filter((family) => native.firstByte(`${ROOT}/${SWITCHES[family]}`) === OFF);
}

/** What could not be switched on, and the command that does it. */
export interface NotSwitched {
  readonly family: IpFamily;
  readonly command: string;
}

/** @returns those that could not be: `/proc/sys` is read-only in most containers */
export async function switchForwardingOn(families: readonly IpFamily[]): Promise<NotSwitched[]> {
  const failed: NotSwitched[] = [];
  for (const family of families) {
    const key = SWITCHES[family];
    if (family === 'ipv6') await keepRouterAdvertisements();
    if (!(await write(key, '1')))
      failed.push({ family, command: `sysctl -w ${key.replaceAll('/', '.')}=1` });
  }
  return failed;
}

/**
 * A machine that forwards IPv6 no longer takes its own routes from advertisements, unless the interface says so (`accept_ra` 2,
 * ip-sysctl.rst of the kernel): without this it would lose its default route.
 */
async function keepRouterAdvertisements(): Promise<void> {
  const interfaces = await readdir(`${ROOT}/net/ipv6/conf`).catch(() => []);
  for (const name of interfaces) {
    const key = `net/ipv6/conf/${name}/accept_ra`;
    if (name !== 'all' && read(key) === '1') await write(key, '2');
  }
}

/** Synchronous, as a start waits for it. */
function read(key: string): string | undefined {
  try {
    return readFileSync(`${ROOT}/${key}`, 'utf8').trim();
  } catch {
    return undefined;
  }
}

async function write(key: string, value: string): Promise<boolean> {
  try {
    await writeFile(`${ROOT}/${key}`, value);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'EROFS', 'EACCES', 'EPERM')) return false;
    throw error;
  }
}
