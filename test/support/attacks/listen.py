# Writes what comes to sockets of this host: datagrams, and what connections send; `ready` first. Arguments: ports.
import selectors
import socket
import sys

every = selectors.DefaultSelector()
for port in map(int, sys.argv[1:]):
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        s = socket.socket(socket.AF_INET6, kind)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("::", port))
        if kind == socket.SOCK_STREAM:
            s.listen(20)
        every.register(s, selectors.EVENT_READ, kind)
print("ready", flush=True)
while True:
    for key, _ in every.select():
        if key.data == socket.SOCK_STREAM:
            connection, address = key.fileobj.accept()
            print(b"connection".hex(), flush=True)
            every.register(connection, selectors.EVENT_READ, None)
            continue
        data = key.fileobj.recv(65536)
        if data:
            print(data.hex(), flush=True)
        elif key.data is None:
            every.unregister(key.fileobj)
            key.fileobj.close()
