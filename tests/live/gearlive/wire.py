# SPDX-License-Identifier: BSD-3-Clause
"""Packet numbers, packing and splitting.  Written from the protocol's description and not from the
server's table, so that the two check each other."""
import struct

__all__ = ["ANY", "Packet", "as_bytes", "pack", "raw_head", "split", "type_name", "TYPES"]

ANY = object()  # in an expectation: whatever it is

# number: name, arguments of a reply, does data follow the last of them
TYPES = {
    1: ("CAN_DO", 1, False), 2: ("CANT_DO", 1, False), 3: ("RESET_ABILITIES", 0, False),
    4: ("PRE_SLEEP", 0, False), 6: ("NOOP", 0, False), 7: ("SUBMIT_JOB", 2, True),
    8: ("JOB_CREATED", 1, False), 9: ("GRAB_JOB", 0, False), 10: ("NO_JOB", 0, False),
    11: ("JOB_ASSIGN", 2, True), 12: ("WORK_STATUS", 3, False), 13: ("WORK_COMPLETE", 1, True),
    14: ("WORK_FAIL", 1, False), 15: ("GET_STATUS", 1, False), 16: ("ECHO_REQ", 0, True),
    17: ("ECHO_RES", 0, True), 18: ("SUBMIT_JOB_BG", 2, True), 19: ("ERROR", 2, False),
    20: ("STATUS_RES", 5, False), 21: ("SUBMIT_JOB_HIGH", 2, True), 22: ("SET_CLIENT_ID", 1, False),
    23: ("CAN_DO_TIMEOUT", 2, False), 24: ("ALL_YOURS", 0, False), 25: ("WORK_EXCEPTION", 1, True),
    26: ("OPTION_REQ", 1, False), 27: ("OPTION_RES", 1, False), 28: ("WORK_DATA", 1, True),
    29: ("WORK_WARNING", 1, True), 30: ("GRAB_JOB_UNIQ", 0, False), 31: ("JOB_ASSIGN_UNIQ", 3, True),
    32: ("SUBMIT_JOB_HIGH_BG", 2, True), 33: ("SUBMIT_JOB_LOW", 2, True),
    34: ("SUBMIT_JOB_LOW_BG", 2, True), 35: ("SUBMIT_JOB_SCHED", 7, True),
    36: ("SUBMIT_JOB_EPOCH", 3, True), 37: ("SUBMIT_REDUCE_JOB", 4, True),
    38: ("SUBMIT_REDUCE_JOB_BACKGROUND", 4, True), 39: ("GRAB_JOB_ALL", 0, False),
    40: ("JOB_ASSIGN_ALL", 4, True), 41: ("GET_STATUS_UNIQUE", 1, False),
    42: ("STATUS_RES_UNIQUE", 6, False),
}
for _nr, (_name, _args, _data) in TYPES.items():
    globals()[_name] = _nr
    __all__.append(_name)


def type_name(nr):
    return TYPES[nr][0] if nr in TYPES else "type 0x%x" % nr


def as_bytes(x):
    return x.encode() if isinstance(x, str) else str(x).encode() if isinstance(x, int) else bytes(x)


def raw_head(nr, size, magic=b"\0REQ"):
    """A packet's head alone, which may lie."""
    return magic + struct.pack(">II", nr, size)


def pack(nr, *args, data=None, magic=b"\0REQ"):
    """Arguments are joined by NUL; `data`, when given, follows the last of them and its NUL."""
    parts = [as_bytes(a) for a in args]
    if data is not None:
        parts.append(as_bytes(data))
    body = b"\0".join(parts)
    return raw_head(nr, len(body), magic) + body


class Packet:
    """A reply.  `parts`: its arguments, then its data when its type has any."""

    def __init__(self, nr, body):
        self.nr, self.body = nr, body
        self.parts = split(nr, body)

    def __repr__(self):
        return "%s(%s)" % (type_name(self.nr), ", ".join(repr(p if len(p) < 200 else p[:200] + b"...")
                                                        for p in self.parts))


def split(nr, body):
    if nr not in TYPES:
        return [body]
    _, args, data = TYPES[nr]
    pieces = args + (1 if data else 0)
    if pieces == 0:
        return [body] if body else []
    return body.split(b"\0", pieces - 1)
