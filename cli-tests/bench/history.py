"""Commands in a long history, and in a folder of many files: what they cost must not grow with either."""
import os
import shutil

from measure import median, run, show_time
from table import Table

COMMITS, REFS, FILES = 100_000, 1_000, 10_000


def report(graft, maker, work):
    folder = os.path.join(work, 'history')
    os.makedirs(folder)
    run([graft, 'init', '-b', 'main'], folder)
    with open(os.path.join(folder, 'a.txt'), 'w') as f:
        f.write('a\n')
    run([graft, 'add', 'a.txt'], folder)
    run([graft, 'commit', '-qm', 'first'], folder)
    run([maker, folder, COMMITS, REFS])
    run([graft, 'status'], folder)
    table = Table('%s commits, %s refs; whole processes, medians of 15' % (format(COMMITS, ','), format(REFS, ',')))
    number = 0

    def measure(work, *args, most=0.010):
        one = median(15, None, [graft, *args], folder)
        met = None if most is None else one.seconds <= most
        table.add(work, show_time(one.seconds), '', '', '' if most is None else '<= ' + show_time(most), met)

    measure('branch (list)', 'branch')
    seen = []
    for _ in range(15):
        number += 1
        seen.append(run([graft, 'branch', 'new-%d' % number, 'HEAD~20'], folder))
    middle = sorted(one.seconds for one in seen)[7]
    table.add('branch <name> HEAD~20', show_time(middle), '', '', '<= ' + show_time(0.010), middle <= 0.010)
    measure('branch -f <name> HEAD~3', 'branch', '-f', 'new-1', 'HEAD~3')
    measure('tag -f <name>', 'tag', '-f', 'v1')
    measure('tag (list)', 'tag')
    measure('reflog -n 10', 'reflog', '-n', '10')
    measure('rev-parse HEAD@{50000}', 'rev-parse', 'HEAD@{50000}', most=None)
    measure('log -n 10', 'log', '-n', '10')
    measure('log --oneline -n 10 topic/00500', 'log', '--oneline', '-n', '10', 'topic/00500')
    measure('merge-base main topic/00990', 'merge-base', 'main', 'topic/00990', most=None)
    measure('merge-base --is-ancestor topic/00990 main', 'merge-base', '--is-ancestor', 'topic/00990', 'main', most=None)
    measure('status', 'status')
    measure('branch --contains topic/00990', 'branch', '--contains', 'topic/00990', most=None)
    measure('rev-list --count HEAD', 'rev-list', '--count', 'HEAD', most=None)
    table.show()
    shutil.rmtree(folder)
    many_files(graft, os.path.join(work, 'files'))


def many_files(graft, folder):
    """Small files, all of them tracked: reading the index, and looking at each."""
    for n in range(FILES):
        path = os.path.join(folder, 'part-%03d' % (n % 700), 'file-%d.txt' % n)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w') as f:
            f.write('%d\n' % n)
    run([graft, 'init', '-b', 'main'], folder)
    table = Table('%s tracked files' % format(FILES, ','))
    table.add('first add', show_time(run([graft, 'add', '.'], folder).seconds))
    run([graft, 'commit', '-qm', 'first'], folder)
    run([graft, 'status'], folder)
    listed = median(15, None, [graft, 'ls-files'], folder)
    table.add('ls-files', show_time(listed.seconds))
    table.add('status', show_time(median(15, None, [graft, 'status'], folder).seconds))
    table.show()
    shutil.rmtree(folder)
