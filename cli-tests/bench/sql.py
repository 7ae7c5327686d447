"""SQL: revisions of the 500 MB database, transactions on tracked files and on volumes, the history of a row."""
import os
import shutil
import sqlite3

from measure import median, middle, run, show_bytes, show_time
from table import Table

TRANSACTIONS = 1000
COMMITS = 1000


def report(graft, big, work, rows):
    table = Table('SQL; whole processes, medians; the shell of SQLite does the same beside it')
    revisions(graft, big, work, rows, table)
    transactions(graft, work, table)
    volumes(graft, work, table)
    history(graft, work, table)
    table.show()


def fresh(work, name):
    folder = os.path.join(work, name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    return folder


def write(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, 'w') as f:
        f.write(text)
    return path


def shell(database, script):
    """The shell of SQLite, which reads its statements from a file."""
    return ['sqlite3', '-bail', database, '.read ' + script]


def revisions(graft, big, work, rows, table):
    folder = fresh(work, 'revisions')
    path = os.path.join(folder, 'big.db')
    shutil.copyfile(big, path)
    run([graft, 'init'], folder)
    run([graft, 'add', 'big.db'], folder)
    run([graft, 'commit', '-qm', 'one'], folder)
    connection = sqlite3.connect(path)
    connection.execute('UPDATE item SET name = name || 1 WHERE id = 5')
    connection.commit()
    connection.close()
    run([graft, 'commit', '-qam', 'two'], folder)
    one = median(9, None, [graft, 'sql', '--at', 'HEAD~1', 'SELECT * FROM item WHERE id = %d' % (rows // 2)], folder)
    table.add('a row by id at a revision, %s' % show_bytes(os.path.getsize(big)), show_time(one.seconds), '', '',
              '<= 25 ms', one.seconds <= 0.025)
    scan = 'SELECT count(*), sum(length(name)) FROM item NOT INDEXED'
    plain = median(5, None, ['sqlite3', path, scan])
    ours = median(5, None, [graft, 'sql', '--at', 'HEAD~1', scan], folder)
    ratio = ours.seconds / plain.seconds
    table.add('full scan at a revision', show_time(ours.seconds), show_time(plain.seconds), '%.2f' % ratio, '<= 3 x', ratio <= 3)
    table.add('  memory', show_bytes(ours.rss), show_bytes(plain.rss))
    shutil.rmtree(folder)


def transactions(graft, work, table):
    """Single-row transactions, each with a value of its own: SQLite writes nothing where nothing changes."""
    folder = fresh(work, 'transactions')
    path, twin = os.path.join(folder, 'app.db'), os.path.join(work, 'twin.db')
    connection = sqlite3.connect(path)
    connection.execute('CREATE TABLE item (id INTEGER PRIMARY KEY, body TEXT)')
    connection.executemany('INSERT INTO item VALUES (?, ?)', ((n, 'x' * 100) for n in range(100000)))
    connection.commit()
    connection.close()
    shutil.copyfile(path, twin)
    run([graft, 'init'], folder)
    run([graft, 'add', 'app.db'], folder)
    run([graft, 'commit', '-qm', 'one'], folder)
    for journal in ('DELETE', 'WAL'):
        for synchronous in ('FULL', 'NORMAL', 'OFF'):
            script = 'PRAGMA journal_mode = %s;\nPRAGMA synchronous = %s;\n' % (journal, synchronous)
            script += ''.join('UPDATE item SET body = hex(randomblob(40)) WHERE id = %d;\n' % (n * 97) for n in range(TRANSACTIONS))
            script = write(work, 'transactions.sql', script)
            plain, ours = [], []
            # By turns, so that both meet the same disk.
            for _ in range(5):
                plain.append(run(shell(twin, script)))
                ours.append(run([graft, 'sql', '--db', 'app.db', '-f', script], folder))
            plain, ours = middle(plain), middle(ours)
            ratio = ours.seconds / plain.seconds
            table.add('%s transactions, %s, synchronous %s' % (format(TRANSACTIONS, ','), journal, synchronous),
                      show_time(ours.seconds), show_time(plain.seconds), '%.2f' % ratio, '<= 3 x', ratio <= 3)
    status = median(5, None, [graft, 'status'], folder)
    table.add('  status after them', show_time(status.seconds))
    table.add('  commit -a after them', show_time(run([graft, 'commit', '-qam', 'two'], folder).seconds))
    shutil.rmtree(folder)


def volumes(graft, work, table):
    folder = fresh(work, 'volumes')
    twin = os.path.join(folder, 'twin.db')
    create = 'CREATE TABLE item (id INTEGER PRIMARY KEY, body TEXT)'
    run([graft, 'init'], folder)
    run([graft, 'volume', 'new', '--tag', 'v'], folder)
    run([graft, 'sql', '--volume', 'v', create], folder)
    run(['sqlite3', twin, create])
    count = 200
    script = write(work, 'volumes.sql', 'INSERT INTO item (body) VALUES (hex(randomblob(40)));\n' * count)
    plain, ours = [], []
    for _ in range(5):
        plain.append(run(shell(twin, script)))
        ours.append(run([graft, 'sql', '--volume', 'v', '-f', script], folder))
    plain, ours = middle(plain).seconds / count, middle(ours).seconds / count
    table.add('a transaction on a volume', show_time(ours), show_time(plain), '%.2f' % (ours / plain))
    shutil.rmtree(folder)


def history(graft, work, table):
    """One key of a table that every twentieth commit changes."""
    folder = fresh(work, 'history')
    path = os.path.join(folder, 'app.db')
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute('CREATE TABLE rare (id INTEGER PRIMARY KEY, n INTEGER)')
    connection.execute('CREATE TABLE often (id INTEGER PRIMARY KEY, n INTEGER)')
    for name in ('rare', 'often'):
        connection.execute('BEGIN')
        connection.executemany('INSERT INTO %s VALUES (?, 0)' % name, ((n,) for n in range(5000)))
        connection.execute('COMMIT')
    run([graft, 'init'], folder)
    run([graft, 'add', 'app.db'], folder)
    run([graft, 'commit', '-qm', 'start'], folder)
    for at in range(1, COMMITS + 1):
        name, key = ('rare', 7) if at % 20 == 0 else ('often', at)
        connection.execute('UPDATE %s SET n = ? WHERE id = ?' % name, (at, key))
        run([graft, 'commit', '-qam', str(at)], folder)
    connection.close()
    for text, query in (
        ('graft_history of one key, %s commits, 50 of them on the table' % format(COMMITS, ','), "graft_history('rare', 7)"),
        ('  of one key of the other table', "graft_history('often', 999)"),
        ('  of a whole table', "graft_history('rare')"),
    ):
        table.add(text, show_time(median(3, None, [graft, 'sql', 'SELECT count(*) FROM ' + query], folder).seconds))
    shutil.rmtree(folder)
