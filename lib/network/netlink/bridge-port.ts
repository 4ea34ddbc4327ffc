/** The switches of a bridge's port. Numbers are of linux/if_link.h. */
import { attribute, nested, type NetlinkMessage, text, u32, u8 } from './message.js';

const RTM_NEWLINK = 16;
const IFLA = { ifname: 3, linkinfo: 18, slaveKind: 4, slaveData: 5 } as const;
const BRPORT = { hairpin: 4, isolated: 33 } as const;

export interface BridgePort {
  /**
   * A frame may leave by the port that it came from. It is needed for a container that asks for a port which it has published
   * itself, if the bridge calls the firewall (`net.bridge.bridge-nf-call-iptables`).
   */
  readonly hairpin?: boolean | undefined;
  /** The port reaches no other isolated port, only the host. Since Linux 4.18. */
  readonly isolated?: boolean | undefined;
}

/** @param name of an interface that is a port of a bridge. @throws at the kernel ENODEV, EOPNOTSUPP of one that is none */
export function setBridgePort(name: string, { hairpin, isolated }: BridgePort): NetlinkMessage {
  const words = [
    ...(hairpin === undefined ? [] : [`hairpin ${hairpin ? 'on' : 'off'}`]),
    ...(isolated === undefined ? [] : [`isolated ${isolated ? 'on' : 'off'}`]),
  ];
  return {
    type: RTM_NEWLINK,
    body: Buffer.concat([
      // struct ifinfomsg: the name tells which.
      Buffer.alloc(4),
      u32(0),
      u32(0),
      u32(0),
      attribute(IFLA.ifname, text(name)),
      nested(
        IFLA.linkinfo,
        attribute(IFLA.slaveKind, text('bridge')),
        nested(
          IFLA.slaveData,
          ...(hairpin === undefined ? [] : [attribute(BRPORT.hairpin, u8(Number(hairpin)))]),
          ...(isolated === undefined ? [] : [attribute(BRPORT.isolated, u8(Number(isolated)))]),
        ),
      ),
    ]),
    text: `link set ${name} type bridge_slave ${words.join(' ')}`,
  };
}
