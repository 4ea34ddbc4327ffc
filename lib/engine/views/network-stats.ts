/** The counters of a container's network interfaces. */
import { isErrno } from '../../base/errno.js';
import { readFile } from 'node:fs/promises';
import { isGone } from '../../cgroup/cgroup-paths.js';

/** Traffic of one interface, since it was made. */
export interface NetworkStats {
  /** Bytes received. */
  readonly rxBytes: number;
  /** Packets received. */
  readonly rxPackets: number;
  /** Packets that were received damaged. */
  readonly rxErrors: number;
  /** Packets that were received and not taken. */
  readonly rxDropped: number;
  /** Bytes sent. */
  readonly txBytes: number;
  /** Packets sent. */
  readonly txPackets: number;
  /** Packets that could not be sent. */
  readonly txErrors: number;
  /** Packets that were not sent. */
  readonly txDropped: number;
}

export async function networkStats(pid: number): Promise<Record<string, NetworkStats> | undefined> {
  let text: string;
  try {
    text = await readFile(`/proc/${pid}/net/dev`, 'utf8');
  } catch (error) {
    // A zombie has no namespaces any more: EINVAL.
    if (isGone(error) || isErrno(error, 'EINVAL')) return undefined;
    throw error;
  }
  return parseNetDev(text);
}

/** /proc/<pid>/net/dev. The container's root names its interfaces: `__proto__` is one name among others. */
export function parseNetDev(text: string): Record<string, NetworkStats> {
  const found: [string, NetworkStats][] = [];
  for (const line of text.split('\n').slice(2)) {
    const colon = line.lastIndexOf(':');
    if (colon === -1) continue;
    const n = line
      .slice(colon + 1)
      .trim()
      .split(/\s+/)
      .map(Number);
    if (!n.every((number) => number >= 0)) continue;
    const stats: NetworkStats = {
      rxBytes: n[0] ?? 0,
      rxPackets: n[1] ?? 0,
      rxErrors: n[2] ?? 0,
      rxDropped: n[3] ?? 0,
      txBytes: n[8] ?? 0,
      txPackets: n[9] ?? 0,
      txErrors: n[10] ?? 0,
      txDropped: n[11] ?? 0,
    };
    found.push([line.slice(0, colon).trim(), stats]);
  }
  return Object.fromEntries(found);
}
