#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""A memcached that does not always tell what the one behind it says.

    memcached_liar.py PORT [RULE...]     PORT: of the real one.  Prints its own port, and lives until its input ends

A rule is  BEGIN=>ANSWER,  or  N*BEGIN=>ANSWER  for the first N times only: a command that begins so gets this answer and does
not reach the real one.  The first that fits is taken.  In an answer \\r and \\n are what they are in C.

    BEGIN=>        no answer at all
    BEGIN=>CLOSE   the connection ends
    BEGIN=>LATE    nothing that comes on this connection is done before a line comes on the standard input
    HOLD=>N        from the first job to be stored on, no answer before N commands have come"""
import socket
import sys
import threading

HAS_DATA = ("set", "add", "cas", "replace")
HAS_LINES = ("get", "gets", "stats", "lru_crawler")


def is_owner(line):
    """The module tells whose the jobs are; that is not lied about."""
    return b"owner " in line


goes_on = threading.Event()


class Rule:
    def __init__(self, text):
        self.begin, _, answer = text.partition("=>")
        count, star, begin = self.begin.partition("*")
        self.left = int(count) if star else None
        if star:
            self.begin = begin
        self.answer = answer.replace("\\r", "\r").replace("\\n", "\n")

    def fits(self, line):
        if self.left == 0 or is_owner(line) or not line.startswith(self.begin.encode()):
            return False
        if self.left is not None:
            self.left -= 1
        return True


def ask(real, line, data, word):
    """The real one's answer."""
    real.write(line + data)
    real.flush()
    said = b""
    if line.endswith(b" noreply\r\n"):
        return said
    while True:
        more = real.readline()
        said += more
        if more.startswith(b"VALUE "):
            said += real.read(int(more.split()[3]) + 2)
        elif word not in HAS_LINES or not more.startswith((b"STAT ", b"key=")):
            return said


def serve(client, port, rules, hold):
    held, count = b"", 0
    holding = False
    with client, client.makefile("rb") as commands, socket.create_connection(("127.0.0.1", port)) as c, \
            c.makefile("rwb") as real:
        for line in commands:
            word = line.split(b" ")[0].strip().decode(errors="replace")
            data = b""
            if word in HAS_DATA:
                data = commands.read(int(line.split()[4]) + 2)
            rule = next((r for r in rules if r.fits(line)), None)
            if rule and rule.answer == "CLOSE":
                return
            is_late = rule and rule.answer == "LATE"
            if is_late:
                goes_on.wait()
            held += rule.answer.encode("latin-1") if rule and not is_late else ask(real, line, data, word)
            holding = holding or (word == "set" and not is_owner(line))
            count += holding
            if held and not (holding and count < hold):
                client.sendall(held)
                held = b""


def accept(listener, port, rules, hold):
    while True:
        client = listener.accept()[0]

        def talk(client=client):
            try:
                serve(client, port, rules, hold)
            except OSError:
                pass
        threading.Thread(target=talk, daemon=True).start()


def main():
    rules = [Rule(text) for text in sys.argv[2:]]
    hold = sum(int(r.answer) for r in rules if r.begin == "HOLD")
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    threading.Thread(target=accept, args=(listener, int(sys.argv[1]), rules, hold), daemon=True).start()
    sys.stdin.readline()
    goes_on.set()
    sys.stdin.read()


if __name__ == "__main__":
    main()
