/** Asking firewalld for its zone `trusted`, over D-Bus: firewalld.dbus(5). Loaded only where firewalld is. */
import { createClient, type DBusError, type MessageBus } from 'dbus-native';
import { busAddress, ownSession } from '../../cgroup/systemd/systemd.js';
import type { FirewallWarning } from './firewall-warning.js';

/** Milliseconds. */
const PATIENCE = 10_000;
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
  let bus: MessageBus | undefined;
  let lost: unknown;
  try {
    bus = createClient({
      busAddress: busAddress(ownSession()),
      timeout: PATIENCE,
      authMethods: ['EXTERNAL'],
      // As in lib/cgroup/systemd/scope.ts.
      direct: true,
    });
    const { connection } = bus;
    connection.on('error', (error) => {
      lost = error;
      connection.stream.destroy();
    });
    await bus.invokeDbus({ member: 'Hello' });
    await bus.invoke({ ...ZONES, member: 'addInterface', signature: 'ss', body: [ZONE, bridge] });
    return undefined;
  } catch (error) {
    const reason = reasonOf(lost ?? error);
    if (HAS_A_ZONE.test(reason)) return undefined;
    return {
      message: `firewalld may not forward packets of containers: ${reason}`,
      hint: `firewall-cmd --zone=${ZONE} --add-interface=${bridge}`,
    };
  } finally {
    bus?.connection.stream.destroy();
  }
}

function reasonOf(error: unknown): string {
  const { dbusName, message } = error as Partial<DBusError>;
  return message !== undefined && message !== '' ? message : (dbusName ?? String(error));
}
