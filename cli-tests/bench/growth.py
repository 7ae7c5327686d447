"""Growth: many one-row commits on a 60 KB database. The last must cost what the first did."""
import os
import shutil
import sqlite3
import statistics

import database
from measure import disk, median, run, show_bytes, show_time
from table import Table


def report(graft, work, commits):
    folder = os.path.join(work, 'growth')
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    path = os.path.join(folder, 'app.db')
    database.small(path)
    size = os.path.getsize(path)
    run([graft, 'init'], folder)
    run([graft, 'add', 'app.db'], folder)
    run([graft, 'commit', '-qm', 'start'], folder)
    times = []
    for at in range(1, commits + 1):
        database.change(path, 'UPDATE item SET n = ? WHERE id = ?', (at, at * 7919 % 500 + 1))
        times.append(run([graft, 'commit', '-qam', str(at)], folder).seconds)
    first, last = statistics.median(times[:100]), statistics.median(times[-100:])
    whole = [sum(times[:100]) / 100, sum(times[-100:]) / 100]
    table = Table('%s one-row commits on a database of %s' % (format(commits, ','), show_bytes(size)))
    table.add('commit, median of the last 100', show_time(last), 'first 100: ' + show_time(first),
              '%.2f' % (last / first), '<= 1.5 x', last <= 1.5 * first)
    table.add('commit, mean of the last 100', show_time(whole[1]), 'first 100: ' + show_time(whole[0]),
              '%.2f' % (whole[1] / whole[0]), '<= 1.5 x', whole[1] <= 1.5 * whole[0])
    table.add('slowest commit', show_time(max(times)))
    log = median(9, None, [graft, 'log', '-n', '10'], folder)
    table.add('log -n 10', show_time(log.seconds), '', '', '<= 20 ms', log.seconds <= 0.020)
    for args in (['status'], ['show'], ['log', '--oneline']):
        table.add(' '.join(args), show_time(median(5, None, [graft] + args, folder).seconds))
    used = disk(os.path.join(folder, '.graft'))
    if commits <= 2000:
        table.add('.graft', show_bytes(used), '', '', '<= 30 MB', used <= 30e6)
    else:
        table.add('.graft', show_bytes(used), '', '%.1f KB per commit' % (used / commits / 1000))
    out = os.path.join(folder, 'first.db')
    table.add('export of the first state', show_time(run([graft, 'export', 'HEAD~%d:app.db' % commits, '-o', out], folder).seconds))
    connection = sqlite3.connect(out)
    same = connection.execute('SELECT sum(n), count(*) FROM item').fetchone() == (0, 500)
    connection.close()
    table.add('  is what was added', 'yes' if same else 'NO', met=same)
    table.add('fsck', show_time(run([graft, 'fsck'], folder).seconds))
    table.show()
    shutil.rmtree(folder)
