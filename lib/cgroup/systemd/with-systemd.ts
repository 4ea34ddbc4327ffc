/** The connection to systemd for as long as something is done with it. */
import type { Systemd } from './scope.js';

/**
 * Does something with the systemd of this user; what speaks to it is loaded only then.
 *
 * @throws ERR_SYSTEMD
 */
export async function withSystemd<T>(work: (systemd: Systemd) => Promise<T>): Promise<T> {
  const { Systemd } = await import('./scope.js');
  const systemd = await Systemd.open();
  try {
    return await work(systemd);
  } finally {
    systemd.close();
  }
}
