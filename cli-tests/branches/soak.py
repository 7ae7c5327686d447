#!/usr/bin/env python3
"""Programs that commit all the time while their databases are moved: no acknowledged row is lost.

    soak.py GRAFT [--rows N] [--seed S] [--node MODULES]

Three databases of different sizes and journal modes, each with programs that insert one row per transaction and note it once the
COMMIT has returned. Meanwhile Graft switches branches (plainly and by force), resets, stashes, pops, restores, undoes and commits
at random. When N rows have been acknowledged, each of them must be in the worktree, or in a state that a commit, the reflogs, the
stash or the operation log (from which `undo` works) names; and `status` must tell the truth. With `--node`, the programs of one
database are Node's, with better-sqlite3 from the folder MODULES.
"""
import argparse
import json
import os
import random
import re
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

FILES = {'small.db': (3, 'DELETE'), 'middle.db': (1500, 'WAL'), 'zlarge.db': (6000, 'DELETE')}

NODE = '''
const [modules, path, out] = process.argv.slice(1), fs = require('fs');
const open = require(modules + '/better-sqlite3'), db = open(path, {timeout: 10000}), notes = fs.openSync(out, 'a');
let n = 0;
(function step() {
    const token = 'node-' + process.pid + '-' + n++;
    try { db.prepare('INSERT INTO journal(token) VALUES (?)').run(token); fs.writeSync(notes, token + '\\n'); }
    catch (error) { if (!/SQLITE_BUSY/.test(error.code)) { console.error(error); process.exit(1); } }
    setTimeout(step, Math.random() * 60);
})();
'''


class Program(threading.Thread):
    def __init__(self, path, name):
        super().__init__(daemon=True)
        self.path, self.name, self.stop, self.rows, self.wrong = path, name, False, [], None
        self.dice = random.Random(name)

    def run(self):
        try:
            db = sqlite3.connect(self.path, timeout=10, isolation_level=None)
            n = 0
            while not self.stop:
                n += 1
                token = f'{self.name}-{n}'
                try:
                    db.execute('INSERT INTO journal(token) VALUES (?)', (token,))
                    self.rows.append(token)
                except sqlite3.OperationalError as error:
                    if error.sqlite_errorcode & 0xff != sqlite3.SQLITE_BUSY:
                        raise
                time.sleep(self.dice.random() * 0.06)
            db.close()
        except Exception as error:  # noqa: BLE001
            self.wrong = f'{self.name}: {error!r}'


def fill(path, rows, branch, mode):
    db = sqlite3.connect(path, isolation_level=None)
    db.execute(f'PRAGMA journal_mode = {mode}')
    db.execute('BEGIN')
    db.execute('CREATE TABLE IF NOT EXISTS journal (id INTEGER PRIMARY KEY, token TEXT)')
    db.execute('CREATE TABLE IF NOT EXISTS item (id INTEGER PRIMARY KEY, branch, body)')
    db.execute('DELETE FROM item')
    db.executemany('INSERT INTO item(branch, body) VALUES (?, randomblob(3000))', [(branch,)] * rows)
    db.execute('COMMIT')
    db.close()


def dump(path):
    db = sqlite3.connect(path)
    try:
        assert db.execute('PRAGMA integrity_check').fetchone() == ('ok',), f'{path} is damaged'
        return '\n'.join(db.iterdump())
    finally:
        db.close()


def tokens(path):
    db = sqlite3.connect(path)
    try:
        return {row[0] for row in db.execute('SELECT token FROM journal')}
    except sqlite3.OperationalError as error:
        if 'no such table' not in str(error):
            raise
        return set()
    finally:
        db.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('graft')
    parser.add_argument('--rows', type=int, default=10000)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--node')
    options = parser.parse_args()
    dice = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        repo = Path(folder, 'repo')
        repo.mkdir()
        env = dict(os.environ, HOME=folder, GRAFT_AUTHOR_NAME='A', GRAFT_AUTHOR_EMAIL='a@example.com',
                   GRAFT_COMMITTER_NAME='A', GRAFT_COMMITTER_EMAIL='a@example.com', GIT_CONFIG_NOSYSTEM='1')

        def call(*args):
            done = subprocess.run([options.graft, '-C', repo, *args], env=env, capture_output=True, text=True, timeout=600)
            if 'panicked' in done.stderr:
                raise SystemExit(f'graft {args}: {done.stderr}')
            return done

        def must(*args):
            done = call(*args)
            if done.returncode:
                raise SystemExit(f'graft {args}: {done.stderr}')
            return done.stdout

        must('init', '-q', '-b', 'one')
        for name, (rows, mode) in FILES.items():
            fill(repo / name, rows, 'one', mode)
        must('add', '.'), must('commit', '-qm', 'one'), must('switch', '-qc', 'two')
        for name, (rows, mode) in FILES.items():
            fill(repo / name, rows, 'two', mode)
        must('commit', '-qam', 'two')

        programs = [Program(repo / name, f'{name}-{i}') for name in FILES for i in range(2)]
        node, notes = None, Path(folder, 'notes')
        if options.node:
            programs = [p for p in programs if not p.name.startswith('middle')]
            notes.touch()
            modules = str(Path(options.node).resolve())
            node = subprocess.Popen(['node', '-e', NODE, modules, str(repo / 'middle.db'), str(notes)])
        for program in programs:
            program.start()
        acknowledged = lambda: sum(len(p.rows) for p in programs) + len(notes.read_text().splitlines() if node else [])
        done, refused = 0, 0
        while acknowledged() < options.rows:
            moves = [('switch', 'one'), ('switch', 'two'), ('switch', '--force', 'one'), ('switch', '--force', 'two'),
                     ('commit', '-qam', 'more'), ('stash',), ('stash', 'pop'), ('reset', '--hard', '-q', 'HEAD'),
                     ('reset', '--hard', '-q', 'HEAD~1'), ('restore', 'small.db'), ('checkout', 'one', '--', 'small.db'),
                     ('undo',), ('redo',), ('status',)]
            outcome = call(*dice.choice(moves))
            done, refused = done + 1, refused + (outcome.returncode != 0)
            wrong = [p.wrong for p in programs if p.wrong] + (['node ended'] if node and node.poll() is not None else [])
            if wrong:
                raise SystemExit(f'after {done} commands: {wrong}')
        for program in programs:
            program.stop = True
        for program in programs:
            program.join()
        if node:
            node.terminate()
            node.wait()

        wanted = {row for p in programs for row in p.rows} | set(notes.read_text().split() if node else [])
        found = set().union(*(tokens(repo / name) for name in FILES))
        named = set()
        for log in ['operations', 'saved']:
            named |= set(re.findall(r'\b[0-9a-f]{64}\b', (repo / '.graft/logs' / log).read_text()))
        commits = set()
        for path in (repo / '.graft/logs').rglob('*'):
            if path.is_file():
                commits |= set(re.findall(r'\b[0-9a-f]{64}\b', path.read_text()))
        states = set()
        for commit in commits:
            listed = call('ls-tree', '-r', '--json', commit)
            if listed.returncode == 0:
                states |= set(re.findall(r'"snapshot":\s*"([0-9a-f]{64})"', listed.stdout))
        out = Path(folder, 'out.db')
        for state in sorted(states | named):
            if wanted <= found:
                break
            if call('export', state, '-o', str(out), '--force').returncode == 0:
                found |= tokens(out)
        lost = wanted - found
        status = must('status', '--porcelain')
        for name in FILES:
            must('export', f':{name}', '-o', str(out), '--force')
            differs = dump(out) != dump(repo / name)
            if differs != bool(re.search(f'^.M {name}$', status, re.M)):
                raise SystemExit(f'{name} differs: {differs}, but status says {status!r}')
        must('fsck')
        print(f'{len(wanted)} rows acknowledged, {len(lost)} lost; {done} commands, {refused} refused')
        if lost:
            raise SystemExit(f'lost: {sorted(lost)[:10]}')


if __name__ == '__main__':
    sys.exit(main())
