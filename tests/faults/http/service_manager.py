# SPDX-License-Identifier: Apache-2.0
"""Starts a program as systemd does: `service_manager.py FD,FD PROGRAM ARG...` hands over those sockets as descriptors 3
and on, and becomes the program."""

import fcntl
import os
import sys

FIRST = 3
ABOVE_ALL = 100

# Up first: none of them is to be overwritten by another one.
up = [fcntl.fcntl(int(fd), fcntl.F_DUPFD_CLOEXEC, ABOVE_ALL) for fd in sys.argv[1].split(",")]
for place, fd in enumerate(up, FIRST):
    os.dup2(fd, place)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(up)))
os.execv(sys.argv[2], sys.argv[2:])
