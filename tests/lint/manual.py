#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
#
# manual.py - every option that `gearmand --help` lists is in the manual, and the other way round, short name
# included; and each sentence of the help begins with a small letter, or a word in capitals, and ends without a full stop.  So are commands and options of gearmanctl.  Options of the modules that were built are under a heading in the help, and in a manual of their own.

import glob
import os
import re
import subprocess

import lintlib

MANUAL = os.path.join(lintlib.TOP, "docs/gearmand.8.rst")
CTL_MANUAL = os.path.join(lintlib.TOP, "ctl/gearmanctl.1.rst")
CTL = os.path.join(lintlib.BUILD, "ctl/gearmanctl")
MODULE_MANUALS = os.path.join(lintlib.TOP, "plugins/*-%s/*.8.rst")
# Taken, and left out of the help as in 1.1: scripts use it.
NOT_IN_HELP = {"--check-args"}


def sections(text):
    """{None: help of the core, "sqlite": help of that module ...}"""
    parts = re.split(r"(?m)^Module (\S+) \(.*$", text)
    return dict(zip([None] + parts[1::2], parts[::2]))


def options_of_help(text):
    """{long: short or None} from lines like "  -b, --backlog=NUMBER   text"."""
    found = {}
    for line in text.splitlines():
        match = re.match(r"\s+(?:(-\w)(?: \w+)?,\s*)?(--[a-z][\w-]*)", line)
        if match:
            found[match.group(2)] = match.group(1)
    return found


def options_of_manual(text):
    """The same from definition lines, those with no indentation that begin with an option."""
    found = {}
    for line in text.splitlines():
        if re.match(r"[*`]*-", line):
            words = re.findall(r"(?<![\w-])--?[A-Za-z][\w-]*", line)
            short = next((w for w in words if re.fullmatch(r"-\w", w)), None)
            for word in words:
                if word.startswith("--"):
                    found[word] = short
    return found


def lint(help_text, manual_text):
    helped, manual = options_of_help(help_text), options_of_manual(manual_text)
    for name, short in sorted(helped.items()):
        if name not in manual:
            yield "%s is in --help, but not in the manual" % name
        elif short and manual[name] != short:
            yield "%s is %s in --help, %s in the manual" % (name, short, manual[name])
    for name in sorted(set(manual) - set(helped) - NOT_IN_HELP):
        yield "%s is in the manual, but not in --help" % name


def sentences_of_help(text):
    """{option: its sentence} from the lines of an option, and those under them."""
    found, option = {}, None
    for line in text.splitlines():
        match = re.match(r"\s+(?:-\w(?: \w+)?,\s*)?(--[a-z][\w-]*)\S*(?:\s+(.*))?$", line)
        if match:
            option = match.group(1)
            found[option] = match.group(2) or ""
        elif option and line.startswith(" " * 20):
            found[option] = (found[option] + " " + line.strip()).strip()
        else:
            option = None
    return {name: re.sub(r" \(default [^()]*\)$", "", sentence) for name, sentence in found.items()}


def lint_sentences(help_text):
    for option, sentence in sorted(sentences_of_help(help_text).items()):
        if re.match(r"[A-Z][a-z]", sentence) or not sentence:
            yield "%s: the help begins with a capital letter, or is empty: %s" % (option, sentence)
        if sentence.endswith("."):
            yield "%s: the help ends with a full stop: %s" % (option, sentence)


def commands_of_help(text):
    """["cancel job HANDLE", ...] from the lines below "Commands:"."""
    part = text.partition("Commands:\n")[2].partition("\n\n")[0]
    return [re.split(r"  +", line.strip())[0] for line in part.splitlines()]


def commands_of_manual(text):
    """The same from definition lines like "**cancel job** *HANDLE*", in the section COMMANDS."""
    part = re.search(r"(?ms)^COMMANDS\n=+\n(.*?)^\S+\n===", text)
    return [line.replace("*", "") for line in (part.group(1) if part else "").splitlines() if line.startswith("**")]


def lint_commands(help_text, manual_text):
    helped, manual = commands_of_help(help_text), commands_of_manual(manual_text)
    for command in sorted(set(helped) ^ set(manual)):
        yield "%s is in %s alone" % (command, "--help" if command in helped else "the manual")


def check_ctl(tap):
    if not os.path.exists(CTL):
        tap.skip("the manual of gearmanctl has every command and option", "it is not built")
        return
    text = subprocess.run([CTL, "--help"], check=True, stdout=subprocess.PIPE, text=True).stdout
    manual = "\n".join(lintlib.lines("/", CTL_MANUAL))
    found = list(lint(text, manual)) + list(lint_commands(text, manual))
    tap.case(len(commands_of_help(text)) > 10 and not found, "the manual of gearmanctl has every command and option", found)
    good = "Commands:\n  a job HANDLE   ends\n  b   begins\n\nOptions:\n", "COMMANDS\n========\n\n**a job** *HANDLE*\n    Ends.\n\n**b**\n    B.\n\nX\n===\n"
    tap.case(not list(lint_commands(*good)), "allows: commands that are right", list(lint_commands(*good)))
    for name, manual in (("a command missing", good[1].replace("**b**", "b")), ("an argument missing", good[1].replace(" *HANDLE*", ""))):
        tap.case(bool(list(lint_commands(good[0], manual))), "refuses: " + name)


HELP = "Usage:\n  -b, --backlog=NUMBER   connections\n      --syslog           also there\n"
RST = "**-b**, **--backlog=NUMBER**\n    Connections; see **--listen** too.\n\n**--syslog**\n    Also there.\n"


def main():
    tap = lintlib.Tap()
    text = subprocess.run([os.environ["GEARMAND"], "--help"], check=True, stdout=subprocess.PIPE, text=True).stdout
    tap.case(len(options_of_help(sections(text)[None])) > 30, "the help has the core's options")
    found = list(lint_sentences(text))
    tap.case(len(sentences_of_help(text)) == len(options_of_help(text)) and not found, "sentences of the help begin small and end without a full stop", found)
    for name, bad in (("a capital letter", HELP.replace("connections", "Connections")), ("a full stop", HELP.replace("also there", "also there.")),
                      ("a full stop in the next line", HELP.replace("also there", "also\n" + " " * 30 + "there. (default 3)"))):
        tap.case(not list(lint_sentences(HELP)) and bool(list(lint_sentences(bad))), "refuses: " + name)
    for module, part in sections(text).items():
        manuals = [MANUAL] if module is None else glob.glob(MODULE_MANUALS % module)
        found = list(lint(part, "\n".join(line for m in manuals for line in lintlib.lines("/", m))))
        tap.case(manuals and not found, "the manual of %s has every option, and none too many" % (module or "the server"), found)
    two = HELP + "\nModule x (queue): keeps\n      --x-file=FILE   file\n\nModule y (queue): keeps\nAlso called z\n"
    tap.case([sorted(options_of_help(p)) for p in sections(two).values()] == [["--backlog", "--syslog"], ["--x-file"], []] and
             list(sections(two)) == [None, "x", "y"], "the help's parts are told apart")
    check_ctl(tap)
    tap.case(not list(lint(HELP, RST)), "allows: a manual that is right", lint(HELP, RST))
    for name, manual in (("an option missing", RST.replace("**--syslog**", "Syslog")),
                         ("a short name missing", RST.replace("**-b**, ", "")),
                         ("an option that does not exist", RST + "\n**--nosuch**\n    No.\n"),
                         ("an option only mentioned in passing", RST.replace("\n**--syslog**", "\n  **--syslog**"))):
        tap.case(bool(list(lint(HELP, manual))), "refuses: " + name)
    tap.end()


if __name__ == "__main__":
    main()
