/** Whether something listens on a TCP port, by the tables of a network namespace: nothing in it is asked or woken. */
import { createReadStream } from 'node:fs';
import { linesOf } from '../base/lines.js';

/** In the network namespace of a process: proc_pid_net(5). */
export async function listens(pid: number, port: number): Promise<boolean> {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  for (const table of ['tcp', 'tcp6'])
    if (await listensIn(`/proc/${pid}/net/${table}`, wanted)) return true;
  return false;
}

/** include/net/tcp_states.h */
const LISTEN = '0A';

/** Row by row: how long the table is the container decides. */
async function listensIn(table: string, port: string): Promise<boolean> {
  try {
    for await (const row of linesOf(createReadStream(table))) {
      const [, local, , socket] = row.trim().split(/\s+/);
      if (socket === LISTEN && local?.endsWith(port) === true) return true;
    }
  } catch {
    // It has ended.
  }
  return false;
}
