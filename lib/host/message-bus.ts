/** A connection to a message bus: D-Bus. Loaded only where one is asked. */
import { createClient, type DBusError, type MessageBus } from 'dbus-native';

/** Milliseconds for which an answer is waited for. */
export const BUS_PATIENCE = 10_000;

export class BusConnection {
  private lost: unknown;

  private constructor(readonly bus: MessageBus) {
    const { connection } = bus;
    connection.on('error', (error) => {
      this.lost = error;
      connection.stream.destroy(); // what waits for an answer is told
    });
  }

  /** @throws Error whose message says why */
  static async open(busAddress: string): Promise<BusConnection> {
    const bus = createClient({
      busAddress,
      timeout: BUS_PATIENCE,
      authMethods: ['EXTERNAL'],
      // The greeting is left to us: of its own, a refused one is thrown where nobody could catch it.
      direct: true,
    });
    const opened = new BusConnection(bus);
    try {
      await bus.invokeDbus({ member: 'Hello' });
      return opened;
    } catch (error) {
      opened.close();
      throw new Error(opened.reasonOf(error), { cause: opened.lost ?? error });
    }
  }

  /** Why a request has failed: that the connection was lost says more than that no answer came. */
  reasonOf(error: unknown): string {
    const { dbusName, message } = (this.lost ?? error) as Partial<DBusError>;
    return message !== undefined && message !== '' ? message : (dbusName ?? String(error));
  }

  /** At once: a bus that says nothing any more is not waited for. */
  close(): void {
    this.bus.connection.stream.destroy();
  }
}
