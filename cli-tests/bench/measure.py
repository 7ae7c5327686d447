"""Runs a command, and says how long it took, how much memory it had at most, and what a median of several is."""
import os
import statistics
import subprocess
import time

ENVIRONMENT = {
    'PATH': os.environ.get('PATH', ''),
    'GIT_CONFIG_NOSYSTEM': '1',
    'LC_ALL': 'C.UTF-8',
    'TZ': 'UTC',
}
for who in ('GRAFT_AUTHOR', 'GRAFT_COMMITTER', 'GIT_AUTHOR', 'GIT_COMMITTER'):
    ENVIRONMENT[who + '_NAME'] = 'Bench'
    ENVIRONMENT[who + '_EMAIL'] = 'bench@example.org'


class Run:
    """Seconds of wall time and peak resident set in bytes."""

    def __init__(self, seconds, rss):
        self.seconds, self.rss = seconds, rss


def run(args, cwd=None, ok=(0,)):
    started = time.perf_counter()
    process = subprocess.Popen([str(a) for a in args], cwd=cwd, env=ENVIRONMENT, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _pid, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    message = process.stderr.read().decode(errors='replace')
    process.stderr.close()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in ok:
        raise SystemExit('%s: exit code %d\n%s' % (' '.join(map(str, args)), process.returncode, message))
    return Run(seconds, usage.ru_maxrss * 1024)


def median(runs, before=None, args=None, cwd=None, ok=(0,)):
    """The median of several runs; `before` is called, unmeasured, ahead of each."""
    seen = []
    for _ in range(runs):
        if before:
            before()
        seen.append(run(args, cwd, ok))
    return middle(seen)


def middle(seen):
    return Run(statistics.median(r.seconds for r in seen), max(r.rss for r in seen))


def disk(folder):
    """Bytes of disk under a folder, as `du` counts: holes are free."""
    total = 0
    for base, _dirs, names in os.walk(folder):
        total += sum(os.lstat(os.path.join(base, name)).st_blocks * 512 for name in names)
    return total


def show_time(seconds):
    return '%.0f s' % seconds if seconds >= 100 else '%.2f s' % seconds if seconds >= 1 else '%.1f ms' % (seconds * 1000)


def show_bytes(n):
    return '%.1f MB' % (n / 1e6)
