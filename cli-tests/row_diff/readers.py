"""Programs that read SQL scripts, each in its own way.

    readers.py READER DATABASE SCRIPT

`executescript` hands the whole text to SQLite. `text` does so with a file opened as text, where every end of a line
becomes LF. `shell` reads as the shell of SQLite (`sqlite3 DATABASE < SCRIPT`) does: line by line, without the CR before
the LF, a statement at a time, going on after an error. `sqlite3` is that shell itself, where there is one.
"""
import os
import sqlite3
import subprocess
import sys


def connect(path):
    return sqlite3.connect(path, isolation_level=None)


def executescript(path, script, connect=connect):
    conn = connect(path)
    try:
        conn.executescript(script.decode())
        return []
    except sqlite3.Error as e:
        return [str(e)]
    finally:
        conn.close()


def text(path, script, connect=connect):
    return executescript(path, script.replace(b'\r\n', b'\n').replace(b'\r', b'\n'), connect)


def shell(path, script, connect=connect):
    conn, pending, errors = connect(path), '', []

    def run(sql):
        try:
            conn.execute(sql).fetchall()
        except sqlite3.Error as e:
            errors.append(str(e))

    for line in script.split(b'\n'):
        line = line.removesuffix(b'\r').split(b'\0')[0].decode()
        if pending and line.strip().lower() in ('/', 'go') and sqlite3.complete_statement(pending + ';'):
            line = ';'
        if not pending:
            if not line.strip() or line.lstrip().startswith('--'):
                continue
            if line[0] in '.#':
                errors.append(f'a command of the shell: {line}')
                continue
        pending = f'{pending}\n{line}' if pending else line.lstrip()
        if sqlite3.complete_statement(pending):
            run(pending)
            pending = ''
    if pending.strip():
        run(pending)
    conn.close()
    return errors


def sqlite3_shell(path, script, connect=None):
    done = subprocess.run(['sqlite3', path], input=script, capture_output=True)
    return done.stderr.decode().splitlines()


READERS = {'executescript': executescript, 'text': text, 'shell': shell, 'sqlite3': sqlite3_shell}

if __name__ == '__main__':
    with open(sys.argv[3], 'rb') as f:
        print('\n'.join(READERS[sys.argv[1]](os.path.abspath(sys.argv[2]), f.read())))
