# One echo request: `answered` or `silent`. Arguments: the address, and the one to ask from.
import socket
import struct
import sys

six = ":" in sys.argv[1]
kind, protocol = (128, socket.getprotobyname("ipv6-icmp")) if six else (8, socket.IPPROTO_ICMP)
s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_RAW, protocol)
s.settimeout(2)
if len(sys.argv) > 2:
    s.bind((sys.argv[2], 0))
head = struct.pack("!BBHHH", kind, 0, 0, 7, 1)
total = ~(sum(struct.unpack("!4H", head)) + 0) & 0xFFFF
s.sendto(head[:2] + struct.pack("!H", total) + head[4:], (sys.argv[1], 0))
try:
    while True:
        data, peer = s.recvfrom(2048)
        if (data if six else data[20:])[0] == (129 if six else 0) and peer[0] == sys.argv[1]:
            print("answered")
            break
except OSError:
    print("silent")
