#!/usr/bin/env python3
"""Runs a command with a terminal of its own: terminal.py [-s COLSxROWS] [WAIT=SEND]... -- COMMAND...

Each WAIT is a text to wait for in what the terminal shows from the one before on; SEND, with Python's escapes, is typed
then. What was shown goes to stdout; the exit code is the command's, or 124 after 20 seconds.
"""
import codecs
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time

arguments = sys.argv[1:]
columns, rows = 80, 24
if arguments[0] == '-s':
    columns, rows = map(int, arguments[1].split('x'))
    arguments = arguments[2:]
split = arguments.index('--')
script = [text.split('=', 1) for text in arguments[:split]]
pid, terminal = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))
    os.execvp(arguments[split + 1], arguments[split + 1 :])
shown, seen, deadline = b'', 0, time.monotonic() + 20
while True:
    if script:
        at = shown.find(script[0][0].encode(), seen)
        if at >= 0:
            wait, send = script.pop(0)
            seen = at + len(wait)
            time.sleep(0.3)
            os.write(terminal, codecs.decode(send, 'unicode_escape').encode('latin-1'))
    if time.monotonic() > deadline:
        os.kill(pid, signal.SIGKILL)
        sys.stdout.buffer.write(shown)
        sys.exit(124)
    if select.select([terminal], [], [], 0.1)[0]:
        try:
            data = os.read(terminal, 65536)
        except OSError:  # EIO: no process has it open any more
            break
        if not data:
            break
        shown += data
sys.stdout.buffer.write(shown)
sys.stdout.flush()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) % 256)
