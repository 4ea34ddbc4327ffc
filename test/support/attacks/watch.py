# Writes each frame that an interface receives as hexadecimal digits, one line each; `ready` first.
import socket
import sys

s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.setsockopt(263, 8, 1)  # SOL_PACKET, PACKET_AUXDATA: the kernel puts the tag of a VLAN there
s.bind((sys.argv[1], 0))
print("ready", flush=True)
while True:
    try:
        data, more, _, address = s.recvmsg(65536, 64)
    except OSError:  # the interface is gone
        break
    if address[2] != socket.PACKET_OUTGOING:
        print(data.hex(), flush=True)
