/**
 * `<runRoot>/closed`: families whose forwarding was switched on for container networks. Between its other networks the host is no
 * router then, as the firewall's set `closed` says. Another program may flush that, and the switch itself does not tell who has set it.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { storageError } from '../../base/storage.js';
import { bootId } from '../../host/owner.js';
import type { IpFamily } from './nft-expressions.js';

const FAMILIES: readonly IpFamily[] = ['ipv4', 'ipv6'];

/** Of this run of the kernel: the next one begins with its own switches. */
export function closedFamilies(file: string): IpFamily[] {
  try {
    const [boot, ...names] = readFileSync(file, 'utf8').split(' ');
    return boot === bootId() ? FAMILIES.filter((family) => names.includes(family)) : [];
  } catch {
    return [];
  }
}

/** @throws ERR_STORAGE */
export function addClosedFamilies(file: string, families: readonly IpFamily[]): void {
  const all = new Set([...closedFamilies(file), ...families]);
  const staged = `${file}.${process.pid}`;
  try {
    writeFileSync(staged, [bootId(), ...all].join(' '), { mode: 0o600 });
    renameSync(staged, file);
  } catch (error) {
    rmSync(staged, { force: true });
    throw storageError(file, error);
  }
}
