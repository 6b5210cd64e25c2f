"""Ports of this machine for servers of tests."""

import socket
import sys


def held_port() -> int:
    """A port that nobody else is given as long as the tests run: it is bound, and never listened on.

    Linux lets a second socket that reuses addresses, as a server's does, listen on it. A port that is only looked up
    can be taken by another test before the server is there, or while a server that was killed is started anew.
    """
    holder = socket.socket()
    if sys.platform == "linux":
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    port: int = holder.getsockname()[1]
    if sys.platform == "linux":
        holder.detach()  # open until the process ends
    else:
        holder.close()
    return port
