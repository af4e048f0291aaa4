"""Tells the service manager how the daemon is: ready, stopping, alive. Knows nothing but a socket's address.

The protocol is one datagram of `NAME=VALUE` lines (sd_notify(3)), which needs no library.
"""

import socket


def notify(address: str | None, state: bytes) -> bool:
    """Send a state such as `b"READY=1"`; tell whether anybody was there to take it.

    The address is that of NOTIFY_SOCKET: a path, or `@` and an abstract name. A service manager that has gone away is
    no reason for a daemon to fail.
    """
    if not address or address[0] not in "/@":
        return False
    target = "\0" + address[1:] if address[0] == "@" else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        # A full queue at the other end must not stop the loop that this runs on.
        channel.setblocking(False)
        try:
            channel.connect(target)
            channel.send(state)
        except OSError:
            return False
    return True
