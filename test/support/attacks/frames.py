# Frames of Ethernet for the attacks of tests, and a socket that sends them. It is put before the attacks themselves.
import json
import socket
import struct
import sys

IP, ARP, RARP, VLAN, QINQ, IP6, LLDP, EXPERIMENT = 0x0800, 0x0806, 0x8035, 0x8100, 0x88A8, 0x86DD, 0x88CC, 0x88B5
ICMP, TCP, UDP, ICMP6 = 1, 6, 17, 58
ALL = "ff:ff:ff:ff:ff:ff"


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def a4(text):
    return socket.inet_pton(socket.AF_INET, text)


def a6(text):
    return socket.inet_pton(socket.AF_INET6, text)


def link_local(address):
    b = bytearray(mac(address))
    b[0] ^= 2
    return socket.inet_ntop(socket.AF_INET6, bytes([0xFE, 0x80]) + bytes(6) + bytes(b[:3]) + b"\xff\xfe" + bytes(b[3:]))


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def eth(to, source, kind, payload):
    return mac(to) + mac(source) + struct.pack("!H", kind) + payload


def tagged(kind, vlan, inner):
    return struct.pack("!HH", vlan, kind) + inner


def ip4(source, to, protocol, payload, options=b"", offset=0, more=False, number=7):
    head = lambda total: struct.pack(
        "!BBHHHBBH4s4s", 0x40 | (5 + len(options) // 4), 0, 20 + len(options) + len(payload), number,
        (0x2000 if more else 0) | offset // 8, 64, protocol, total, a4(source), a4(to)) + options
    return head(checksum(head(0))) + payload


def ip6(source, to, following, payload, hops=255):
    return struct.pack("!IHBB", 6 << 28, len(payload), following, hops) + a6(source) + a6(to) + payload


def pseudo(source, to, protocol, length):
    if ":" in source:
        return a6(source) + a6(to) + struct.pack("!II", length, protocol)
    return a4(source) + a4(to) + struct.pack("!BBH", 0, protocol, length)


def udp(source, to, sport, dport, data):
    length = 8 + len(data)
    head = struct.pack("!HHHH", sport, dport, length, 0)
    total = checksum(pseudo(source, to, UDP, length) + head + data) or 0xFFFF
    return struct.pack("!HHHH", sport, dport, length, total) + data


def tcp(source, to, sport, dport, flags, data, sequence=1000, acknowledged=2000):
    head = lambda total: struct.pack("!HHIIBBHHH", sport, dport, sequence, acknowledged, 0x50, flags, 8192, total, 0)
    return head(checksum(pseudo(source, to, TCP, 20 + len(data)) + head(0) + data)) + data


def icmp6(source, to, kind, body, code=0):
    data = struct.pack("!BBH", kind, code, 0) + body
    total = checksum(pseudo(source, to, ICMP6, len(data)) + data)
    return data[:2] + struct.pack("!H", total) + data[4:]


def icmp(kind, body):
    data = struct.pack("!BBH", kind, 0, 0) + body
    return data[:2] + struct.pack("!H", checksum(data)) + data[4:]


def arp(operation, hardware, address, to, target="00:00:00:00:00:00"):
    return struct.pack("!HHBBH", 1, IP, 6, 4, operation) + mac(hardware) + a4(address) + mac(target) + a4(to)


def packet_socket():
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    s.bind(("eth0", 0))
    return s


def mark(name):
    """What every frame of an attack contains somewhere: what receives it is looked through for that."""
    return ("<%s>" % name).encode()


ATTACKS = {}


def attack(name):
    def keep(function):
        ATTACKS[name] = function
        return function

    return keep


def main():
    lab = json.loads(sys.argv[1])
    told = {}
    for name in lab["attacks"]:
        try:
            told[name] = str(ATTACKS[name](lab, mark(name)))
        except OSError as error:
            told[name] = error.strerror or str(error)
    print(json.dumps(told))
