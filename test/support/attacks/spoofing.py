# What a container with NET_RAW may try on a bridge: frames that pretend to come from others, or to be of the network itself.
FOREIGN = "02:00:00:00:66:66"


def send(*frames):
    s = packet_socket()
    for frame in frames:
        s.send(frame)


def frames(name, make):
    @attack(name)
    def run(lab, marker):
        own, other, gate = lab["own"], lab["neighbour"], lab["gateway"]
        send(*make(own, other, gate, marker))


def question(source, to, data):
    return udp(source, to, 4000, 4001, data)


def from4(source, to, data):
    return ip4(source, to, UDP, question(source, to, data))


def from6(source, to, data):
    return ip6(source, to, UDP, question(source, to, data), 64)


def advertisement(source, target, hardware, data):
    body = struct.pack("!I", 0xA0000000) + a6(target) + b"\x02\x01" + mac(hardware)
    return ip6(source, "ff02::1", ICMP6, icmp6(source, "ff02::1", 136, body + option(data)))


def option(data):
    """An option of neighbour discovery that nothing knows, with the marker."""
    size = (len(data) + 2 + 7) // 8
    return bytes([253, size]) + data.ljust(size * 8 - 2, b"\0")


def router(source, data):
    return icmp6(source, "ff02::1", 134, struct.pack("!BBHII", 64, 0, 1800, 0, 0) + option(data))


frames("mac", lambda own, other, gate, m: [eth(other["mac"], FOREIGN, IP, from4(own["ip"], other["ip"], m))])
frames("mac6", lambda own, other, gate, m: [eth(other["mac"], FOREIGN, IP6, from6(own["ip6"], other["ip6"], m))])
frames("ip", lambda own, other, gate, m: [eth(other["mac"], own["mac"], IP, from4(gate["ip"], other["ip"], m))])
frames("ip-free", lambda own, other, gate, m: [eth(other["mac"], own["mac"], IP, from4(own["free"], other["ip"], m))])
frames("ip6", lambda own, other, gate, m: [eth(other["mac"], own["mac"], IP6, from6(gate["ip6"], other["ip6"], m))])
frames("ip6-link", lambda own, other, gate, m: [
    eth(other["mac"], own["mac"], IP6, from6(link_local(gate["mac"]), other["ip6"], m))])
frames("arp-gateway", lambda own, other, gate, m: [eth(ALL, own["mac"], ARP, arp(2, own["mac"], gate["ip"], other["ip"]) + m)])
frames("arp-neighbour", lambda own, other, gate, m: [
    eth(gate["mac"], own["mac"], ARP, arp(1, own["mac"], other["ip"], gate["ip"]) + m),
    eth(ALL, own["mac"], ARP, arp(1, own["mac"], other["ip"], other["ip"]) + m)])
frames("arp-hardware", lambda own, other, gate, m: [eth(ALL, own["mac"], ARP, arp(2, FOREIGN, own["ip"], other["ip"]) + m)])
frames("arp-types", lambda own, other, gate, m: [
    eth(ALL, own["mac"], ARP, b"\0\6" + arp(2, own["mac"], gate["ip"], other["ip"])[2:] + m)])
frames("rarp", lambda own, other, gate, m: [eth(ALL, own["mac"], RARP, arp(4, own["mac"], gate["ip"], own["ip"]) + m)])
frames("advertisement", lambda own, other, gate, m: [
    eth("33:33:00:00:00:01", own["mac"], IP6, advertisement(own["ip6"], gate["ip6"], own["mac"], m))])
frames("advertisement-extension", lambda own, other, gate, m: [
    eth("33:33:00:00:00:01", own["mac"], IP6, ip6(
        own["ip6"], "ff02::1", 60, bytes([ICMP6, 0, 1, 4, 0, 0, 0, 0]) + advertisement(own["ip6"], gate["ip6"], own["mac"], m)[40:]))])
frames("duplicate", lambda own, other, gate, m: [
    eth(ALL.replace("ff:ff:ff", "33:33:ff", 1), own["mac"], IP6, ip6(
        "::", "ff02::1", ICMP6, icmp6("::", "ff02::1", 135, bytes(4) + a6(other["ip6"]) + option(m))))])
frames("router", lambda own, other, gate, m: [
    eth("33:33:00:00:00:01", own["mac"], IP6, ip6(link_local(own["mac"]), "ff02::1", ICMP6, router(link_local(own["mac"]), m)))])
frames("router-extension", lambda own, other, gate, m: [
    eth("33:33:00:00:00:01", own["mac"], IP6, ip6(
        link_local(own["mac"]), "ff02::1", 60, bytes([ICMP6, 0, 1, 4, 0, 0, 0, 0]) + router(link_local(own["mac"]), m)))])
frames("redirect6", lambda own, other, gate, m: [
    eth(other["mac"], own["mac"], IP6, ip6(link_local(own["mac"]), other["ip6"], ICMP6, icmp6(
        link_local(own["mac"]), other["ip6"], 137, bytes(4) + a6(own["ip6"]) + a6(gate["ip6"]) + option(m))))])
frames("dhcp-answer", lambda own, other, gate, m: [
    eth(ALL, own["mac"], IP, ip4(own["ip"], "255.255.255.255", UDP, udp(own["ip"], "255.255.255.255", 67, 68, m)))])
frames("dhcp-answer6", lambda own, other, gate, m: [
    eth(other["mac"], own["mac"], IP6, ip6(own["ip6"], other["ip6"], UDP, udp(own["ip6"], other["ip6"], 547, 546, m), 64))])
frames("dhcp-question", lambda own, other, gate, m: [
    eth(ALL, own["mac"], IP, ip4("0.0.0.0", "255.255.255.255", UDP, udp("0.0.0.0", "255.255.255.255", 68, 67, m)))])
frames("vlan-ip", lambda own, other, gate, m: [
    eth(other["mac"], own["mac"], VLAN, tagged(IP, 5, from4(gate["ip"], other["ip"], m)))])
frames("vlan-own-ip", lambda own, other, gate, m: [
    eth(other["mac"], own["mac"], VLAN, tagged(IP, 0, from4(own["ip"], other["ip"], m)))])
frames("vlan-arp", lambda own, other, gate, m: [
    eth(ALL, own["mac"], VLAN, tagged(ARP, 5, arp(2, own["mac"], gate["ip"], other["ip"]) + m))])
frames("vlan-ip6", lambda own, other, gate, m: [
    eth(other["mac"], own["mac"], VLAN, tagged(IP6, 5, from6(gate["ip6"], other["ip6"], m)))])
frames("qinq", lambda own, other, gate, m: [
    eth(other["mac"], own["mac"], QINQ, tagged(VLAN, 6, tagged(IP, 5, from4(gate["ip"], other["ip"], m))))])
frames("unknown-type", lambda own, other, gate, m: [eth(ALL, own["mac"], EXPERIMENT, m.ljust(46, b"."))])
frames("spanning-tree", lambda own, other, gate, m: [
    eth("01:80:c2:00:00:00", own["mac"], 38 + len(m), b"\x42\x42\x03" + bytes(35) + m)])
frames("link-discovery", lambda own, other, gate, m: [
    eth("01:80:c2:00:00:0e", other["mac"], LLDP, b"\x02\x07\x04" + mac(other["mac"]) + m)])
frames("group-of-bridges", lambda own, other, gate, m: [
    eth("01:80:c2:00:00:0e", own["mac"], IP, ip4(own["ip"], gate["ip"], UDP, udp(own["ip"], gate["ip"], 4000, lab_port, m)))])
lab_port = 4001

# What has to pass.
frames("good-ip", lambda own, other, gate, m: [eth(other["mac"], own["mac"], IP, from4(own["ip"], other["ip"], m))])
frames("good-ip6", lambda own, other, gate, m: [eth(other["mac"], own["mac"], IP6, from6(own["ip6"], other["ip6"], m))])
frames("good-arp", lambda own, other, gate, m: [eth(ALL, own["mac"], ARP, arp(1, own["mac"], own["ip"], other["ip"]) + m)])
frames("good-probe", lambda own, other, gate, m: [eth(ALL, own["mac"], ARP, arp(1, own["mac"], "0.0.0.0", own["free"]) + m)])
frames("good-advertisement", lambda own, other, gate, m: [
    eth("33:33:00:00:00:01", own["mac"], IP6, advertisement(own["ip6"], own["ip6"], own["mac"], m))])
frames("good-detection", lambda own, other, gate, m: [
    eth("33:33:00:00:00:01", own["mac"], IP6, ip6(
        "::", "ff02::1", ICMP6, icmp6("::", "ff02::1", 135, bytes(4) + a6(own["ip6"]) + option(m))))])
frames("good-report", lambda own, other, gate, m: [
    eth("33:33:00:00:00:16", own["mac"], IP6, ip6(link_local(own["mac"]), "ff02::16", 0, bytes([ICMP6, 0, 5, 2, 0, 0, 1, 0]) + icmp6(
        link_local(own["mac"]), "ff02::16", 143, struct.pack("!HH", 0, 1) + struct.pack("!BBH", 4, 8, 0) + a6("ff02::1:ff00:99") + m.ljust(32, b"."))))])
frames("good-multicast", lambda own, other, gate, m: [
    eth("01:00:5e:00:00:fb", own["mac"], IP, from4(own["ip"], "224.0.0.251", m))])

main()
