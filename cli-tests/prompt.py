"""Types into a prompt on a terminal: prompt.py FOLDER PROGRAM ARGUMENT... < steps (JSON: [[text, wanted], ...]).

Each text is typed, and what is wanted must then appear within 20 seconds; null waits for a second instead. Prints all that appeared.
"""

import json
import os
import pty
import select
import sys
import time


def main():
    folder, program, *arguments = sys.argv[1:]
    steps = json.load(sys.stdin)
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execvp(program, [program, *arguments])
    shown = b""

    def wait_for(wanted, begin):
        nonlocal shown
        end = time.time() + 20
        while wanted.encode() not in shown[begin:]:
            left = end - time.time()
            if left <= 0:
                sys.exit(f"{wanted!r} did not appear; what did: {shown.decode(errors='replace')}")
            if select.select([terminal], [], [], left)[0]:
                try:
                    shown += os.read(terminal, 65536)
                except OSError:
                    sys.exit(f"it ended before {wanted!r} appeared: {shown.decode(errors='replace')}")

    wait_for("> ", 0)
    for text, wanted in steps:
        begin = len(shown)
        os.write(terminal, text.encode())
        if wanted is not None:
            wait_for(wanted, begin)
        # Until the prompt listens again: what is typed before that is lost, as it would be for a person.
        time.sleep(0.25 if wanted is not None else 1)
    end = time.time() + 20
    while True:
        if not select.select([terminal], [], [], max(0, end - time.time()))[0]:
            sys.exit(f"it does not end: {shown.decode(errors='replace')}")
        try:
            shown += os.read(terminal, 65536)
        except OSError:
            break
    _, status = os.waitpid(pid, 0)
    print(shown.decode(errors="replace"))
    print("exit", os.waitstatus_to_exitcode(status))


main()
