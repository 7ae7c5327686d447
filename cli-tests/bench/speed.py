"""Speed on the 500 MB database: one function for each group of rows of the table."""
import os
import shutil
import subprocess
import time

import database
from measure import disk, median, middle, run, show_bytes, show_time
from table import Table


class Bench:
    def __init__(self, graft, scan, original, work, rows):
        self.graft, self.scan, self.original, self.work, self.rows = graft, scan, original, work, rows
        self.size = os.path.getsize(original)
        self.known = self.commands()

    def commands(self):
        """Subcommands that this build of Graft has."""
        if not self.graft:
            return set()
        text = subprocess.run([self.graft, '--help'], capture_output=True, text=True).stdout
        return {line.split()[0] for line in text.splitlines() if line.startswith('  ') and line.split()}

    def path(self, *names):
        return os.path.join(self.work, *names)

    def fresh(self, name):
        folder = self.path(name)
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        return folder

    def worktree(self, name):
        """A folder with nothing but a copy of the database."""
        folder = self.fresh(name)
        shutil.copyfile(self.original, os.path.join(folder, 'big.db'))
        return folder


def report(bench):
    warm(bench.original)
    table = Table('%s database, %s rows, one index; whole processes, medians' % (show_bytes(bench.size), format(bench.rows, ',')))
    base = baselines(bench, table)
    if bench.graft:
        adds(bench, table, base)
        short_commands(bench, table)
        copies(bench, table, base)
        differences(bench, table, base)
    table.show()


def warm(path):
    with open(path, 'rb') as f:
        while f.read(1 << 20):
            pass


def baselines(bench, table):
    """Measures the others, prints them, and returns them by name."""
    seen = {}
    out = bench.path('copy.db')

    def gone():
        if os.path.exists(out):
            os.remove(out)

    seen['cp'] = median(5, gone, ['cp', bench.original, out])
    seen['cp and sync'] = median(5, gone, ['sh', '-c', 'cp "$0" "$1" && sync "$1"', bench.original, out])
    seen['page scan'] = median(7, None, [bench.scan, bench.original])
    git(bench, seen)
    sqldiff(bench, seen, out)
    gone()
    for name, one in seen.items():
        table.add('(%s)' % name, '', show_time(one.seconds), '', '', None)
    return seen


def git(bench, seen):
    adds, commits = [], []
    for _ in range(3):
        folder = bench.worktree('git')
        run(['git', 'init', '-q'], folder)
        run(['git', 'config', 'gc.auto', '0'], folder)
        adds.append(run(['git', 'add', 'big.db'], folder))
        commits.append(run(['git', 'commit', '-qm', 'first'], folder))
    seen['git add'], seen['git commit'] = middle(adds), middle(commits)
    seen['git status'] = median(5, None, ['git', 'status'], folder)
    database.change_three(os.path.join(folder, 'big.db'), -1, bench.rows)
    seen['git add after 3 rows'] = run(['git', 'add', 'big.db'], folder)
    shutil.rmtree(folder)


def sqldiff(bench, seen, changed):
    if not shutil.which('sqldiff'):
        print('sqldiff is not here (Debian has it in sqlite3-tools): its rows are skipped')
        return
    shutil.copyfile(bench.original, changed)
    database.change_three(changed, -1, bench.rows)
    seen['sqldiff, 3 rows'] = median(3, None, ['sqldiff', bench.original, changed])
    change_many(bench, changed)
    seen['sqldiff, 100,000 rows'] = median(3, None, ['sqldiff', bench.original, changed])


def change_many(bench, path):
    """Changes every 20th row: 100,000 of 2 million, on nearly every page."""
    database.change(path, 'UPDATE item SET n = n + 1 WHERE id % 20 = 0')


def against(table, work, one, compared, seen, most, target):
    """A row whose target is a multiple of something measured beside it."""
    if compared not in seen:
        table.add(work, show_time(one.seconds), compared + ' is not here', '', target)
        return
    ratio = one.seconds / seen[compared].seconds
    table.add(work, show_time(one.seconds), '%s %s' % (compared, show_time(seen[compared].seconds)),
              '%.3f' % ratio, target, ratio <= most)


def within(table, work, one, most):
    table.add(work, show_time(one.seconds), '', '', '<= ' + show_time(most), one.seconds <= most)


def adds(bench, table, base):
    firsts = []
    for _ in range(3):
        folder = bench.worktree('graft')
        run([bench.graft, 'init'], folder)
        firsts.append(run([bench.graft, 'add', 'big.db'], folder))
    first = middle(firsts)
    against(table, 'first add', first, 'git add', base, 1 / 6, '<= 1/6 of git add')
    table.add('  memory at most', show_bytes(first.rss), '', '', '< 128 MB', first.rss < 128e6)
    table.add('  .graft', show_bytes(disk(os.path.join(folder, '.graft'))), 'the file ' + show_bytes(bench.size))
    within(table, 'commit (first)', run([bench.graft, 'commit', '-m', 'first'], folder), 0.020)
    within(table, 'status, right after the commit', run([bench.graft, 'status'], folder), 0.020)

    path = os.path.join(folder, 'big.db')
    later, commits = [], []
    before = disk(os.path.join(folder, '.graft'))
    for at in range(7):
        database.change_three(path, at + 10, bench.rows)
        later.append(run([bench.graft, 'add', 'big.db'], folder))
        commits.append(run([bench.graft, 'commit', '-m', 'change %d' % at], folder))
    one = middle(later)
    against(table, 'add after 3 rows changed', one, 'page scan', base, 3, '<= 3 x page scan')
    table.add('  memory at most', show_bytes(one.rss))
    table.add('  .graft grows by', show_bytes((disk(os.path.join(folder, '.graft')) - before) / 7))
    within(table, 'commit', middle(commits), 0.020)


def short_commands(bench, table):
    folder = bench.path('graft')
    # A file that was just written is looked at again for a moment, as in Git; what counts is a settled one.
    time.sleep(2.5)
    run([bench.graft, 'status'], folder)
    for args in (['status'], ['log', '-n', '10'], ['branch'], ['show'], ['ls-files', '-s']):
        work = ('clean ' if args == ['status'] else '') + ' '.join(args)
        if args[0] not in bench.known:
            table.add(work, 'not built yet')
            continue
        one = median(15, None, [bench.graft] + args, folder)
        if args[0] in ('show', 'ls-files'):
            table.add(work, show_time(one.seconds))
        else:
            within(table, work, one, 0.020)


def copies(bench, table, base):
    folder, path = bench.path('graft'), bench.path('graft', 'big.db')
    back = [[bench.graft, 'checkout', rev, '--', 'big.db'] for rev in ('HEAD~1', 'HEAD')]
    inplace = middle([run(args, folder) for _ in range(4) for args in back])
    table.add('checkout of a path, 3 rows apart', show_time(inplace.seconds))
    run([bench.graft, 'branch', 'before', 'HEAD~1'], folder)
    moves = [[bench.graft, 'switch', name] for name in ('before', 'main')]
    within(table, 'switch between commits 3 rows apart', middle([run(args, folder) for _ in range(4) for args in moves]), 0.060)
    switches(bench, table, base)

    full = median(5, lambda: os.remove(path), [bench.graft, 'checkout', 'HEAD', '--', 'big.db'], folder)
    against(table, 'full checkout into an empty directory', full, 'cp', base, 2, '<= 2 x cp')
    against(table, '  beside a copy as durable', full, 'cp and sync', base, 2, '')
    table.add('  memory at most', show_bytes(full.rss))
    out = bench.path('out.db')
    export = median(3, lambda: os.path.exists(out) and os.remove(out), [bench.graft, 'export', 'HEAD~7:big.db', '-o', out], folder)
    table.add('export of the first revision', show_time(export.seconds))
    same = subprocess.run(['cmp', '-s', out, bench.original]).returncode == 0
    table.add('  equal to the file added', 'yes' if same else 'NO', met=same)
    os.remove(out)
    check = run([bench.graft, 'fsck'], folder)
    table.add('fsck', show_time(check.seconds))


def switches(bench, table, base):
    """Between branches that differ on every page."""
    folder = bench.path('graft')
    run([bench.graft, 'switch', '-qc', 'other'], folder)
    database.change(os.path.join(folder, 'big.db'), 'UPDATE item SET n = n + 1')
    run([bench.graft, 'commit', '-qam', 'all'], folder)
    run([bench.graft, 'switch', 'main'], folder)
    moves = [[bench.graft, 'switch', name] for name in ('other', 'main')]
    one = middle([run(args, folder) for _ in range(2) for args in moves])
    against(table, 'switch between branches, all rows differ', one, 'cp', base, 2, '<= 2 x cp')
    against(table, '  beside a copy as durable', one, 'cp and sync', base, 2, '')
    run([bench.graft, 'branch', '-D', 'other'], folder)


def differences(bench, table, base):
    if 'diff' not in bench.known:
        table.add('diff of 3 changed rows', 'not built yet', target='<= 50 ms, <= 1/20 of sqldiff')
        table.add('diff of 100,000 changed rows', 'not built yet', target='<= sqldiff, < 64 MB')
        return
    folder = bench.path('graft')
    few = median(9, None, [bench.graft, 'diff', 'HEAD~1', 'HEAD'], folder)
    within(table, 'diff of 3 changed rows', few, 0.050)
    against(table, '  beside sqldiff', few, 'sqldiff, 3 rows', base, 1 / 20, '<= 1/20 of sqldiff')
    change_many(bench, os.path.join(folder, 'big.db'))
    run([bench.graft, 'commit', '-qam', 'many'], folder)
    many = median(3, None, [bench.graft, 'diff', 'HEAD~1', 'HEAD'], folder)
    against(table, 'diff of 100,000 changed rows', many, 'sqldiff, 100,000 rows', base, 1, '<= sqldiff')
    table.add('  memory at most', show_bytes(many.rss), '', '', '< 64 MB', many.rss < 64e6)
    counted = median(3, None, [bench.graft, 'diff', '--stat', 'HEAD~1', 'HEAD'], folder)
    table.add('  --stat', show_time(counted.seconds), show_time(many.seconds), '%.3f' % (counted.seconds / many.seconds))
    database.change_three(os.path.join(folder, 'big.db'), -7, bench.rows)
    worktree = median(5, None, [bench.graft, 'diff'], folder)
    against(table, 'diff of 3 rows in the worktree', worktree, 'page scan', base, 3, '<= 3 x page scan')
    many_tables(bench, table)


def many_tables(bench, table):
    """Three rows of three out of 60 tables, with and without rowids."""
    for what, end in (('', ''), (' without rowids', ' WITHOUT ROWID')):
        folder = bench.fresh('tables')
        path = os.path.join(folder, 'tables.db')
        database.tables(path, 60, 100_000, end)
        run([bench.graft, 'init'], folder)
        run([bench.graft, 'add', 'tables.db'], folder)
        run([bench.graft, 'commit', '-qm', 'first'], folder)
        for at in (3, 40, 59):
            database.change(path, 'UPDATE t%d SET b = -1 WHERE id = ?' % at, (at * 1000,))
        run([bench.graft, 'commit', '-qam', 'second'], folder)
        one = median(9, None, [bench.graft, 'diff', 'HEAD~1', 'HEAD'], folder)
        work = 'diff of 3 rows, 60 tables of 100,000%s' % what
        if end:
            table.add(work, show_time(one.seconds))
        else:
            within(table, work, one, 0.060)
        shutil.rmtree(folder)
