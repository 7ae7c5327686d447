"""The 500 MB database of the benchmark: 2 million rows, one index, the same bytes at every run."""
import os
import random
import sqlite3

ROWS = 2_000_000
WORDS = ('alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike november oscar papa quebec '
         'romeo sierra tango uniform victor whiskey xray yankee zulu invoice order ledger account balance region '
         'customer delivery street number payment reminder warehouse').split()


def rows(count):
    """Names, some words of text, digits as of a hash: compresses about as real records do (2 : 1)."""
    r = random.Random(500)
    for i in range(1, count + 1):
        bits = r.getrandbits(512)
        body = ' '.join(WORDS[(bits >> (6 * k)) % len(WORDS)] for k in range(15))
        yield i, 'customer %x' % (bits >> 480), body, '%084x' % (bits >> 176), i % 1000


def make(path, count=ROWS):
    part = path + '.part'
    for left in (part, part + '-journal'):
        if os.path.exists(left):
            os.remove(left)
    c = sqlite3.connect(part, isolation_level=None)
    c.executescript('PRAGMA page_size=4096; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE;')
    c.execute('CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT, body TEXT, token TEXT, n INTEGER)')
    c.execute('BEGIN')
    c.executemany('INSERT INTO item VALUES(?, ?, ?, ?, ?)', rows(count))
    c.execute('CREATE INDEX item_name ON item(name)')
    c.execute('COMMIT')
    c.close()
    os.replace(part, path)


def small(path):
    """A database of about 60 KB for the growth runs."""
    c = sqlite3.connect(path, isolation_level=None)
    c.execute('CREATE TABLE item(id INTEGER PRIMARY KEY, body TEXT, n INTEGER)')
    r = random.Random(60)
    c.execute('BEGIN')
    c.executemany('INSERT INTO item VALUES(?, ?, 0)', ((i, '%0100x' % r.getrandbits(400)) for i in range(1, 501)))
    c.execute('COMMIT')
    c.close()


def tables(path, count, rows_each, end=''):
    """Many tables of the same size; `end` ends their definitions."""
    c = sqlite3.connect(path, isolation_level=None)
    c.executescript('PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE; BEGIN')
    for t in range(count):
        c.execute('CREATE TABLE t%d(id INTEGER PRIMARY KEY, a TEXT, b INTEGER)%s' % (t, end))
        c.executemany('INSERT INTO t%d VALUES(?, ?, ?)' % t, ((i, 'row %d of %d with words' % (i, t), i * t) for i in range(rows_each)))
    c.execute('COMMIT')
    c.close()


def change(path, sql, args=()):
    """What another program does to the file."""
    c = sqlite3.connect(path, isolation_level=None, timeout=60)
    changed = c.execute(sql, args).rowcount
    c.close()
    return changed


def change_three(path, value, count=ROWS):
    """Changes one row at the beginning, one in the middle, one at the end."""
    change(path, 'UPDATE item SET n = ? WHERE id IN (1, ?, ?)', (value, count // 2, count))
