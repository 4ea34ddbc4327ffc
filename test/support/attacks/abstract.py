# An abstract unix socket of the host, whose name is the argument. Writes what comes to it.
import socket
import sys

s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
s.bind("\0" + sys.argv[1])
s.listen(5)
print("ready", flush=True)
while True:
    connection, _ = s.accept()
    print(connection.recv(65536).hex(), flush=True)
    connection.close()
