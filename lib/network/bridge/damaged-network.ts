/** A network whose file is damaged. */
import type { StoredNetwork } from './stored-network.js';

/** Enough of it to remove it. The name is empty if it is not known any more. */
export type DamagedNetwork = Pick<StoredNetwork, 'id' | 'name' | 'driver' | 'bridge'>;

/** linux/if.h: IFNAMSIZ, with its NUL. */
const MAX_DEVICE_NAME = 15;

/** What a damaged text still tells. */
export function remainsIn(text: string): {
  readonly name: string;
  readonly bridge: string | undefined;
} {
  const member = (key: string): string | undefined =>
    new RegExp(`"${key}":"([a-zA-Z0-9][\\w.-]*)"`).exec(text)?.[1];
  const bridge = member('bridge');
  const isDevice = bridge !== undefined && bridge.length <= MAX_DEVICE_NAME;
  return { name: member('name') ?? '', bridge: isDevice ? bridge : undefined };
}
