#!/usr/bin/env python3
"""A program that keeps reading and writing while branches are switched under it.

    live.py GRAFT [--switches N] [--mode DELETE|WAL]

Both branches hold 400 rows which all carry the branch's name, and a journal to which the program adds lines that carry it too. In
every transaction the program must see rows of one branch alone, a journal of that branch alone and as many lines as its counter
says. Switches are forced, since the program's lines are unsaved work. The only error allowed is SQLITE_BUSY.
"""
import argparse
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path


class App(threading.Thread):
    def __init__(self, path, seed):
        super().__init__()
        self.path, self.random, self.stop = path, random.Random(seed), False
        self.reads = self.writes = self.busy = 0
        self.seen, self.wrong = set(), None

    def look(self, db):
        tags = {row[0] for row in db.execute('SELECT tag FROM item')}
        count = db.execute('SELECT count(*) FROM item').fetchone()[0]
        name = db.execute('SELECT name FROM branch').fetchone()[0]
        lines, others = db.execute('SELECT count(*), count(CASE WHEN tag <> ? THEN 1 END) FROM journal', (name,)).fetchone()
        counter = db.execute('SELECT n FROM counter').fetchone()[0]
        if tags != {name} or count != 400 or others or counter != lines:
            raise AssertionError(f'a mixed state: {tags} {count} {name} {others} {counter} {lines}')
        self.seen.add(name)
        return name

    def run(self):
        try:
            db = sqlite3.connect(self.path, timeout=5, isolation_level=None)
            while not self.stop:
                writes = self.random.random() < 0.4
                try:
                    db.execute('BEGIN IMMEDIATE' if writes else 'BEGIN')
                    name = self.look(db)
                    if writes:
                        db.execute('INSERT INTO journal(tag) VALUES (?)', (name,))
                        db.execute('UPDATE counter SET n = n + 1')
                        db.execute('COMMIT')
                        self.writes += 1
                    else:
                        self.look(db)
                        db.execute('COMMIT')
                        self.reads += 1
                except sqlite3.OperationalError as error:
                    if error.sqlite_errorcode & 0xff != sqlite3.SQLITE_BUSY:
                        raise
                    self.busy += 1
                    if db.in_transaction:
                        db.execute('ROLLBACK')
                time.sleep(self.random.random() * 0.01)
            db.close()
        except BaseException as error:  # The main thread has to hear of everything.
            self.wrong = error


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('graft')
    parser.add_argument('--switches', type=int, default=1000)
    parser.add_argument('--mode', default='DELETE')
    args = parser.parse_args()
    graft = str(Path(args.graft).resolve())
    with tempfile.TemporaryDirectory(prefix='graft-live-') as folder:
        env = dict(os.environ, HOME=folder, GRAFT_AUTHOR_NAME='A', GRAFT_AUTHOR_EMAIL='a@example.org')

        def run(*words, ok=(0,)):
            done = subprocess.run([graft, *words], cwd=folder, env=env, capture_output=True, text=True)
            if done.returncode not in ok:
                sys.exit(f'{words} ended with {done.returncode}: {done.stderr}')
            return done

        path = Path(folder) / 'app.db'
        db = sqlite3.connect(path, isolation_level=None)
        db.executescript(f'''PRAGMA journal_mode = {args.mode};
            CREATE TABLE item(id INTEGER PRIMARY KEY, tag TEXT, body TEXT); CREATE TABLE branch(name TEXT);
            CREATE TABLE journal(id INTEGER PRIMARY KEY, tag TEXT); CREATE TABLE counter(n INTEGER);
            INSERT INTO branch VALUES ('main'); INSERT INTO counter VALUES (0);
            WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 400)
                INSERT INTO item SELECT n, 'main', hex(randomblob(60)) FROM c;''')
        db.close()
        run('init', '-q', '-b', 'main')
        run('add', 'app.db')
        run('commit', '-qm', 'main')
        run('switch', '-qc', 'dev')
        db = sqlite3.connect(path)
        db.executescript("UPDATE item SET tag = 'dev', body = hex(randomblob(70)); UPDATE branch SET name = 'dev'; "
                         'CREATE INDEX by_tag ON item(tag);')
        db.close()
        run('commit', '-qam', 'dev')
        apps = [App(path, seed) for seed in (1, 2)]
        for app in apps:
            app.start()
        refused = done = 0
        try:
            while done < args.switches and not any(app.wrong for app in apps):
                result = run('switch', '-qf', 'main' if done % 2 == 0 else 'dev', ok=(0, 128))
                if result.returncode == 0:
                    done += 1
                elif 'changed by another program' in result.stderr or 'locked' in result.stderr:
                    refused += 1
                else:
                    sys.exit(f'a switch ended with: {result.stderr}')
        finally:
            for app in apps:
                app.stop = True
            for app in apps:
                app.join()
        for app in apps:
            if app.wrong:
                sys.exit(f'the program saw: {app.wrong!r}')
        db = sqlite3.connect(path)
        checked = db.execute('PRAGMA integrity_check').fetchall()
        if checked != [('ok',)]:
            sys.exit(f'integrity_check: {checked}')
        db.close()
        run('fsck')
        if any(app.seen != {'main', 'dev'} for app in apps):
            sys.exit(f'the program did not see both branches: {[app.seen for app in apps]}')
        total = {key: sum(getattr(app, key) for app in apps) for key in ('reads', 'writes', 'busy')}
        print(f'{args.mode}: {done} switches, {refused} refused because the file was just written or locked, {total}')


if __name__ == '__main__':
    main()
