#!/usr/bin/env python3
"""A tracked file that other programs replace while it is added.

    replaced.py GRAFT [--adds N] [--mode MODE ...]

Another thread puts one of two files into the place of `app.db` all the time: by rename (databases of the same and of another size
and page size, in WAL mode, or other files), or by writing over it, as `cp` does. Whatever is staged must be one of the two, byte
for byte, and never nothing; at the end `status` must tell the truth. An `add` may refuse, by the name of the file.
"""
import argparse
import collections
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

MODES = ['rename', 'renamewal', 'pagesize', 'samesize', 'opaque', 'cp', 'cpsame', 'cpopaque']


def database(path, rows, mark, page=4096, mode='delete'):
    db = sqlite3.connect(path, isolation_level=None)
    db.execute(f'PRAGMA page_size = {page}')
    db.execute(f'PRAGMA journal_mode = {mode}')
    db.execute('BEGIN')
    db.execute('CREATE TABLE t (id INTEGER PRIMARY KEY, mark, body)')
    db.executemany('INSERT INTO t(mark, body) VALUES (?, zeroblob(3000))', [(mark,)] * rows)
    db.execute('COMMIT')
    db.close()


def make(mode, a, b):
    if mode in ('rename', 'cp'):
        database(a, 3, 'A'), database(b, 400, 'B')
    elif mode == 'renamewal':
        database(a, 3, 'A', mode='wal'), database(b, 400, 'B', mode='wal')
    elif mode == 'pagesize':
        database(a, 50, 'A', 1024), database(b, 50, 'B', 8192)
    elif mode in ('samesize', 'cpsame'):
        database(a, 800, 'A'), database(b, 800, 'B')
    else:
        a.write_bytes(os.urandom(1_000_000)), b.write_bytes(os.urandom(1_000_000))


class Replacer(threading.Thread):
    def __init__(self, mode, sources, app):
        super().__init__()
        self.mode, self.sources, self.app, self.stop, self.count = mode, sources, app, False, 0

    def run(self):
        dice = random.Random(1)
        while not self.stop:
            source = self.sources[self.count % 2]
            if self.mode.startswith('cp'):
                shutil.copyfile(source, self.app)
                time.sleep(dice.random() * 0.03)
            else:
                link = source.with_name('link')
                os.link(source, link)
                os.rename(link, self.app)
                # Where both names are of one file, rename does nothing.
                link.unlink(missing_ok=True)
                time.sleep(dice.random() * 0.002)
            self.count += 1


def run(graft, mode, adds):
    with tempfile.TemporaryDirectory() as folder:
        repo, beside = Path(folder, 'repo'), Path(folder, 'beside')
        repo.mkdir(), beside.mkdir()
        env = dict(os.environ, HOME=folder, GRAFT_AUTHOR_NAME='A', GRAFT_AUTHOR_EMAIL='a@example.com',
                   GRAFT_COMMITTER_NAME='A', GRAFT_COMMITTER_EMAIL='a@example.com', GIT_CONFIG_NOSYSTEM='1')

        def call(*args):
            return subprocess.run([graft, '-C', repo, *args], env=env, capture_output=True, text=True, timeout=300)

        def must(*args):
            done = call(*args)
            if done.returncode:
                raise SystemExit(f'{mode}: graft {args}: {done.stderr}')
            return done.stdout

        sources, app, out = (beside / 'A', beside / 'B'), repo / 'app.db', beside / 'out'
        make(mode, *sources)
        states = {path.read_bytes(): path.name for path in sources}
        if mode == 'cpopaque':
            # A moment after it was opened; for a database this would be no state.
            states[b''] = 'empty'
        shutil.copyfile(sources[0], app)
        must('init', '-q'), must('add', 'app.db'), must('commit', '-qm', 'A')

        def staged():
            must('export', ':app.db', '-o', str(out), '--force')
            return states.get(out.read_bytes())

        replacer = Replacer(mode, sources, app)
        replacer.start()
        found, wrong = collections.Counter(), []
        for n in range(adds):
            added = call('add', 'app.db')
            if added.returncode:
                found['refused'] += 1
                if 'app.db' not in added.stderr or 'panicked' in added.stderr:
                    wrong.append((n, added.stderr))
                continue
            state = staged()
            found[state] += 1
            if state is None:
                wrong.append((n, out.stat().st_size))
        replacer.stop = True
        replacer.join()
        now = states.get(app.read_bytes())
        shown = ' M app.db' in must('status', '--porcelain') or 'MM app.db' in must('status', '--porcelain')
        if shown != (staged() != now):
            wrong.append(('status', shown, staged(), now))
        print(f'{mode}: {adds} adds, replaced {replacer.count} times: {dict(found)}')
        if wrong:
            raise SystemExit(f'{mode}: wrong: {wrong[:5]}')


if __name__ == '__main__':
    parser = argparse.ArgumentParser()
    parser.add_argument('graft')
    parser.add_argument('--adds', type=int, default=1000)
    parser.add_argument('--mode', nargs='*', default=MODES, choices=MODES)
    options = parser.parse_args()
    sqlite3.threadsafety or sys.exit('a threaded sqlite3 is needed')
    for mode in options.mode:
        run(options.graft, mode, options.adds)
