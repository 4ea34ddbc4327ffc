/** Asking firewalld for its zone `trusted`, over D-Bus: firewalld.dbus(5). Loaded only where firewalld is. */
import { busAddress, ownSession } from '../../cgroup/systemd/systemd.js';
import { BusConnection } from '../../host/message-bus.js';
import type { FirewallWarning } from './firewall-warning.js';

const ZONE = 'trusted';
const ZONES = {
  destination: 'org.fedoraproject.FirewallD1',
  path: '/org/fedoraproject/FirewallD1',
  interface: 'org.fedoraproject.FirewallD1.zone',
} as const;

/** firewalld.dbus(5): it is in this zone, or in one that the administrator has chosen. */
const HAS_A_ZONE = /^(?:ALREADY_ENABLED|ZONE_ALREADY_SET|ZONE_CONFLICT)\b/;

/**
 * Until firewalld is started again: it keeps the zones of interfaces when it is reloaded.
 *
 * @returns why it was not done
 */
export async function trustBridge(bridge: string): Promise<FirewallWarning | undefined> {
  let connection: BusConnection | undefined;
  try {
    connection = await BusConnection.open(busAddress(ownSession()));
    const body = [ZONE, bridge];
    await connection.bus.invoke({ ...ZONES, member: 'addInterface', signature: 'ss', body });
    return undefined;
  } catch (error) {
    const reason = connection?.reasonOf(error) ?? (error as Error).message;
    if (HAS_A_ZONE.test(reason)) return undefined;
    return {
      message: `firewalld may not forward packets of containers: ${reason}`,
      hint: `firewall-cmd --zone=${ZONE} --add-interface=${bridge}`,
    };
  } finally {
    connection?.close();
  }
}
