# SPDX-License-Identifier: Apache-2.0
"""The command under the lock in the stories about faults: worker.py FOLDER NAME [stubborn] [writes] [leave] [unwitnessed]

It tells what it lives through in FOLDER/NAME.journal, a line each: an event, the boot time, and more. It ends well when
there is FOLDER/NAME.go (with `leave`: at once), or at SIGTERM. `stubborn`: it ignores that, and so does a child in a
session of its own. All of it holds a lock of the kernel on FOLDER/witness while a single process of it lives: whoever
comes while another is there says so. `writes`: it writes all the time to a resource that looks at fencing tokens.
"""

import fcntl
import os
import signal
import sys
import time

folder, name = sys.argv[1:3]
options = sys.argv[3:]
journal = os.open(os.path.join(folder, name + ".journal"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def tell(event, *more):
    words = (event, f"{time.clock_gettime(time.CLOCK_BOOTTIME):.4f}", *map(str, more))
    os.write(journal, (" ".join(words) + "\n").encode())


def on_term(_number, _frame):
    tell("term")
    if "stubborn" not in options:
        os._exit(0)


def write_to_resource(token):
    """It refuses who comes from the past."""
    with open(os.path.join(folder, "resource"), "a+", encoding="ascii") as resource:
        fcntl.flock(resource, fcntl.LOCK_EX)
        resource.seek(0)
        lines = resource.read().split()
        newest = int(lines[-1]) if lines else 0
        if token < newest:
            tell("refused", token, newest)
        elif token > newest:
            resource.write(f"{token}\n")
            tell("written", token)


signal.signal(signal.SIGTERM, on_term)
mine = os.environ.get("LOCKGATE_FENCING_TOKEN") or "0"
if "unwitnessed" not in options:
    witness = os.open(os.path.join(folder, "witness"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(witness, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        tell("overlap")
if "stubborn" in options and os.fork() == 0:
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    tell("child", mine, os.getpid())
    while True:
        time.sleep(1000)
tell("enter", mine, os.getpid(), os.environ.get("LOCKGATE_HANDLE", "-"))
go = os.path.join(folder, name + ".go")
while "leave" not in options and not os.path.exists(go):
    if "writes" in options:
        write_to_resource(int(mine))
    time.sleep(0.01)
tell("leave")
