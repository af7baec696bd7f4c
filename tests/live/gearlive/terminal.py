# SPDX-License-Identifier: BSD-3-Clause
"""A command on a pseudo-terminal, and the screen that it draws, as far as xterm's sequences are used by curses."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time

from .tap import Failure, clean_env, die_with_parent, patience

__all__ = ["Terminal"]

PIECE = re.compile(rb"\x1b\[([?>]?)([\d;]*)([A-Za-z@`])|\x1b[()].|\x1b[=>78M]|([\r\n\b\a\t])|([^\x1b\r\n\b\a\t]+)", re.S)


class Screen:
    def __init__(self, lines, columns):
        self.lines, self.columns = lines, columns
        self.y = self.x = 0
        self.cells = [[" "] * columns for _ in range(lines)]
        self.last = " "

    def text(self):
        return "\n".join("".join(line).rstrip() for line in self.cells)

    def write(self, text):
        for c in text:
            if self.x >= self.columns:
                self.x = 0
                self.feed_line()
            self.cells[self.y][self.x] = self.last = c
            self.x += 1

    def feed_line(self):
        if self.y + 1 < self.lines:
            self.y += 1
        else:
            self.cells = self.cells[1:] + [[" "] * self.columns]

    def control(self, c):
        if c == b"\r":
            self.x = 0
        elif c == b"\n":
            self.feed_line()
        elif c == b"\b":
            self.x = max(self.x - 1, 0)
        elif c == b"\t":
            self.x = min((self.x // 8 + 1) * 8, self.columns - 1)

    def sequence(self, private, words, letter):
        n = [int(w) if w else 0 for w in words.split(b";")]
        first, row = n[0] or 1, self.cells[self.y]
        if private or letter in b"mhlrt":
            return
        if letter in b"Hf":
            self.y, self.x = first - 1, (n[1] if len(n) > 1 and n[1] else 1) - 1
        elif letter == b"d":
            self.y = first - 1
        elif letter in b"G`":
            self.x = first - 1
        elif letter in b"ABCD":
            self.y += {b"A": -first, b"B": first}.get(letter, 0)
            self.x += {b"C": first, b"D": -first}.get(letter, 0)
        elif letter == b"J":
            if n[0] == 2:
                self.cells = [[" "] * self.columns for _ in range(self.lines)]
            else:
                row[self.x:] = [" "] * (self.columns - self.x)
                for y in range(self.y + 1, self.lines):
                    self.cells[y] = [" "] * self.columns
        elif letter == b"K":
            if n[0] == 1:
                row[:self.x + 1] = [" "] * (self.x + 1)
            else:
                row[self.x:] = [" "] * (self.columns - self.x)
        elif letter == b"P":
            row[self.x:] = row[self.x + first:] + [" "] * first
        elif letter == b"@":
            row[self.x:] = ([" "] * first + row[self.x:])[:self.columns - self.x]
        elif letter == b"X":
            row[self.x:self.x + first] = [" "] * first
        elif letter == b"b":
            self.write(self.last * first)
        elif letter in b"LM":
            blank = [[" "] * self.columns for _ in range(first)]
            if letter == b"L":
                self.cells[self.y:] = (blank + self.cells[self.y:])[:self.lines - self.y]
            else:
                self.cells[self.y:] = self.cells[self.y + first:] + blank
        elif letter in b"ST":
            for _ in range(first):
                self.cells = self.cells[1:] + [[" "] * self.columns] if letter == b"S" else [[" "] * self.columns] + self.cells[:-1]
        else:
            raise Failure("the terminal does not know %r" % ((private, words, letter),))


class Terminal:
    """Starts a command; .raw has all bytes so far, .screen() the text that is seen."""

    def __init__(self, t, *command, lines=24, columns=100, env=None):
        pid, fd = pty.fork()
        if pid == 0:
            try:
                die_with_parent()
                fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
                more = {"TERM": "xterm", "LC_ALL": "C.UTF-8"}
                more.update(env or {})
                os.chdir(t.dir)
                os.execve(command[0], command, clean_env(more))
            finally:
                os._exit(127)
        self.pid, self.fd, self.raw, self.size, self.status = pid, fd, b"", (lines, columns), None
        t.children.append(self)

    def _read(self, seconds):
        """False at the end."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            got = os.read(self.fd, 65536)
        except OSError:
            return False
        self.raw += got
        return len(got) > 0

    def screen(self):
        screen = Screen(*self.size)
        for m in PIECE.finditer(self.raw):
            if m.group(3):
                screen.sequence(m.group(1), m.group(2), m.group(3))
            elif m.group(4):
                screen.control(m.group(4))
            elif m.group(5):
                screen.write(m.group(5).decode(errors="replace"))
        return screen.text()

    def type(self, keys):
        os.write(self.fd, keys)
        return self

    def see(self, pattern):
        """Waits until the screen has it; returns the match."""
        deadline = time.monotonic() + patience()
        while True:
            found = re.search(pattern, self.screen(), re.M)
            if found:
                return found
            if time.monotonic() > deadline or not self._read(0.2):
                found = re.search(pattern, self.screen(), re.M)
                if found:
                    return found
                raise Failure("the screen has no %r:\n%s" % (pattern, self.screen()))

    def end(self, status=0):
        """Waits for its end; returns the text of the screen."""
        deadline = time.monotonic() + patience()
        while self._read(0.2):
            if time.monotonic() > deadline:
                raise Failure("the command did not end:\n" + self.screen())
        self.wait()
        if self.status != status:
            raise Failure("status %s, expected %d:\n%s" % (self.status, status, self.screen()))
        return self.screen()

    # What the runner asks of a child.

    def poll(self):
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status

    def wait(self, timeout=None):
        if self.status is None:
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.status

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
