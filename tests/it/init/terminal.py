"""Plays a conversation with a command on a terminal of its own, and says what was seen there and how the command ended.

The conversation, as JSON on standard input: pairs of what is waited for and what is typed then.
"""

import json
import os
import pty
import signal
import sys

# Whoever waits for what never comes has failed.
signal.alarm(60)
conversation = json.load(sys.stdin)
child, terminal = pty.fork()
if child == 0:
    # What runs behind a shell ignores it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.execv(sys.argv[1], sys.argv[1:])


def more():
    try:
        return os.read(terminal, 65536)
    except OSError:  # The other end is closed.
        return b""


seen, place = b"", 0
for awaited, typed in conversation:
    awaited = awaited.encode()
    while (found := seen.find(awaited, place)) < 0:
        read = more()
        if not read:
            sys.exit(f"ended before {awaited!r} came: {seen!r}")
        seen += read
    place = found + len(awaited)
    os.write(terminal, typed.encode())
while read := more():
    seen += read
_, status = os.waitpid(child, 0)
json.dump({"seen": seen.decode(), "code": os.waitstatus_to_exitcode(status)}, sys.stdout)
