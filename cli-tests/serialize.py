"""The oracle: what a fresh SQLite connection would serialize, for each database named on the command line.

Reads a copy made together with the sidecars, so the database itself is not touched. Writes DB's bytes to OUT.
    serialize.py DB OUT [DB OUT ...]
"""
import os
import shutil
import sqlite3
import sys
import tempfile


def serialize(path):
    if os.path.getsize(path) == 0 and not os.path.exists(path + '-wal'):
        return b''
    with tempfile.TemporaryDirectory() as folder:
        copy = os.path.join(folder, 'copy.db')
        for sidecar in ('', '-wal', '-journal'):
            if os.path.exists(path + sidecar):
                shutil.copyfile(path + sidecar, copy + sidecar)
        connection = sqlite3.connect(copy)
        try:
            connection.execute('PRAGMA page_count').fetchone()
            return connection.serialize()
        finally:
            connection.close()


def main(args):
    if not hasattr(sqlite3.Connection, 'serialize'):
        sys.exit('python 3.11 or newer is needed: sqlite3.Connection.serialize() is missing')
    for path, out in zip(args[::2], args[1::2]):
        with open(out, 'wb') as f:
            f.write(serialize(path))


main(sys.argv[1:])
