/** The switches of a bridge's port. Numbers are of linux/if_link.h. */
import { attribute, nested, type NetlinkMessage, text, u8 } from './message.js';
import { IFLA, interfaceHeader, RTM } from './rtnetlink.js';

const SLAVE = { kind: 4, data: 5 } as const;
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
    type: RTM.newlink,
    body: Buffer.concat([
      interfaceHeader(0),
      attribute(IFLA.ifname, text(name)),
      nested(
        IFLA.linkinfo,
        attribute(SLAVE.kind, text('bridge')),
        nested(
          SLAVE.data,
          ...(hairpin === undefined ? [] : [attribute(BRPORT.hairpin, u8(Number(hairpin)))]),
          ...(isolated === undefined ? [] : [attribute(BRPORT.isolated, u8(Number(isolated)))]),
        ),
      ),
    ]),
    text: `link set ${name} type bridge_slave ${words.join(' ')}`,
  };
}
