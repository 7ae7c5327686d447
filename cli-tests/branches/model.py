#!/usr/bin/env python3
"""No work is lost: random commands, outside writes and kills against a model that keeps plain copies of every state.

    model.py GRAFT [--seeds N] [--first SEED] [--steps N]

Keeps, for every commit and stash entry that a command acknowledged, the rows of its databases. After every step `status` has to
say what the model knows of HEAD, index and worktree; now and then, and at the end, every state kept has to be there, equal row for
row, and `fsck` has to pass. Unsaved work that a forced command overwrote has to be in the store as well.
"""
import argparse
import hashlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FILES = ['app.db', 'shop.db', 'data/log.db', 'notes.txt']


class Wrong(Exception):
    pass


def rows(path):
    """What a fresh connection sees of a database but for the header fields that any writer sets anew, or the bytes of another file,
    as a digest; None if it is not there."""
    path = Path(path)
    if not path.exists():
        return None
    if path.suffix != '.db':
        return hashlib.sha256(path.read_bytes()).hexdigest()
    with tempfile.TemporaryDirectory() as folder:
        # A copy, so that looking does not change what is looked at.
        for beside in ('', '-wal', '-journal'):
            if Path(str(path) + beside).exists():
                shutil.copyfile(str(path) + beside, f'{folder}/copy.db{beside}')
        db = sqlite3.connect(f'{folder}/copy.db')
        try:
            bad = db.execute('PRAGMA integrity_check').fetchall()
            if bad != [('ok',)]:
                raise Wrong(f'{path} is damaged: {bad[:3]}')
            data = bytearray(db.serialize())
        except sqlite3.DatabaseError as error:
            raise Wrong(f'{path}: {error}')
        finally:
            db.close()
    for start, end in ((18, 20), (24, 28), (40, 44), (92, 100)):
        data[start:end] = bytes(end - start)
    return hashlib.sha256(data).hexdigest()


class World:
    def __init__(self, graft, seed, folder):
        self.graft, self.random, self.top = graft, random.Random(seed), Path(folder) / 'repo'
        self.out = Path(folder) / 'out'
        self.out.mkdir()
        self.top.mkdir()
        self.env = dict(os.environ, HOME=str(folder), GRAFT_AUTHOR_NAME='A', GRAFT_AUTHOR_EMAIL='a@example.org',
                        GRAFT_COMMITTER_NAME='C', GRAFT_COMMITTER_EMAIL='c@example.org', TZ='UTC')
        # State id -> {path: digest}, for commits and stash entries.
        self.kept, self.digests, self.steps = {}, {}, []
        self.lasts = 0.03

    def run(self, *args, ok=None, kill=False):
        """Runs a command; with `kill` ends it at a random moment. Returns (code, output); code None if it was killed."""
        self.steps.append(('kill ' if kill else '') + ' '.join(args))
        start = time.monotonic()
        child = subprocess.Popen([self.graft, *args], cwd=self.top, env=self.env, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, text=True)
        if kill:
            time.sleep(self.random.random() * self.lasts * 1.2)
            child.send_signal(signal.SIGKILL)
        output = child.communicate()[0]
        if child.returncode == -signal.SIGKILL:
            return None, output
        self.lasts = 0.9 * self.lasts + 0.1 * (time.monotonic() - start)
        if 'panicked' in output:
            raise Wrong(output)
        if ok is not None and child.returncode not in ok:
            raise Wrong(f'{args} ended with {child.returncode}: {output}')
        return child.returncode, output

    def ask(self, *args):
        """Runs a command that only looks; it must succeed and is no step."""
        done = subprocess.run([self.graft, *args], cwd=self.top, env=self.env, capture_output=True, text=True)
        if done.returncode != 0:
            raise Wrong(f'{args} ended with {done.returncode}: {done.stderr}')
        return done.stdout

    def exported(self, what):
        """The digest of a stored file."""
        suffix = '.txt' if what.endswith('.txt') else '.db'
        target = self.out / f'x{suffix}'
        for beside in ('', '-wal', '-shm', '-journal'):
            Path(str(target) + beside).unlink(missing_ok=True)
        self.ask('export', '-f', what, '-o', str(target))
        return rows(target)

    def snapshot(self, id, path):
        """The digest of a snapshot, read once."""
        if id not in self.digests:
            suffix = Path(path).suffix
            target = self.out / f's{suffix}'
            target.unlink(missing_ok=True)
            self.ask('export', '-f', id, '-o', str(target))
            self.digests[id] = rows(target)
        return self.digests[id]

    def listed(self, *args):
        """{path: snapshot} of `ls-files -s` or `ls-tree -r`."""
        found = {}
        for line in self.ask(*args).splitlines():
            head, path = line.split('\t')
            found[path] = next(word for word in head.split() if len(word) == 64)
        return found

    def index(self):
        return self.listed('ls-files', '-s')

    def tree(self, commit):
        return self.listed('ls-tree', '-r', commit)

    def head(self):
        done = subprocess.run([self.graft, 'rev-parse', '-q', '--verify', 'HEAD'], cwd=self.top, env=self.env,
                              capture_output=True, text=True)
        return done.stdout.strip() or None

    def worktree(self):
        return {path: digest for path in FILES if (digest := rows(self.top / path)) is not None}

    # -- outside writes

    def write(self):
        path = self.top / self.random.choice(FILES)
        self.steps.append(f'write {path.name}')
        path.parent.mkdir(exist_ok=True)
        if path.suffix != '.db':
            path.write_text(f'{self.random.random()}\n' * self.random.randrange(1, 3000))
            return
        db = sqlite3.connect(path, timeout=10, isolation_level=None)
        mode = self.random.choice(['WAL', 'DELETE', ''])
        if mode:
            db.execute(f'PRAGMA journal_mode = {mode}')
        db.execute('CREATE TABLE IF NOT EXISTS item(id INTEGER PRIMARY KEY, name TEXT, body BLOB)')
        db.execute('BEGIN')
        for _ in range(self.random.choice([1, 3, 200])):
            kind = self.random.randrange(4)
            if kind < 2:
                db.execute('INSERT INTO item(name, body) VALUES (?, randomblob(?))',
                           (str(self.random.random()), self.random.randrange(400)))
            elif kind == 2:
                db.execute('UPDATE item SET name = ? WHERE id % 7 = ?', (str(self.random.random()), self.random.randrange(7)))
            else:
                db.execute('DELETE FROM item WHERE id = (SELECT max(id) FROM item)')
        db.execute('COMMIT')
        if self.random.randrange(20) == 0:
            db.execute('VACUUM')
        db.close()

    def remove(self):
        path = self.top / self.random.choice(FILES)
        self.steps.append(f'remove {path.name}')
        for beside in ('', '-wal', '-shm', '-journal'):
            Path(str(path) + beside).unlink(missing_ok=True)

    # -- commands

    def branches(self):
        return self.ask('branch', '--format=%(refname:short)').split()

    def some_rev(self):
        return self.random.choice(list(self.kept) or ['HEAD'])

    def commands(self):
        r = self.random
        some_path = r.choice(FILES)
        yield 6, lambda k: self.run('add', '-A', ok=[0], kill=k)
        yield 2, lambda k: self.run('add', some_path, ok=[0, 128], kill=k)
        yield 8, self.commit
        yield 3, lambda k: self.run('switch', '-c', f'b{r.randrange(8)}', ok=[0, 128], kill=k)
        yield 6, lambda k: self.run('switch', r.choice(self.branches() or ['main']), ok=[0, 128], kill=k)
        yield 1, lambda k: self.run('switch', '-f', r.choice(self.branches() or ['main']), ok=[0, 128], kill=k)
        yield 2, lambda k: self.run('switch', '--detach', self.some_rev(), ok=[0, 128], kill=k)
        yield 1, lambda k: self.run('switch', '-', ok=[0, 128], kill=k)
        mode = r.choice(['--soft', '--mixed', '--hard', '--keep'])
        yield 4, lambda k: self.run('reset', mode, self.some_rev(), ok=[0, 128], kill=k)
        yield 3, self.stash
        yield 3, lambda k: self.run('stash', r.choice(['pop', 'apply']), ok=[0, 1, 128], kill=k)
        yield 1, lambda k: self.run('stash', 'drop', r.choice(['0', '1']), ok=[0, 128], kill=k)
        yield 6, lambda k: self.run('undo', ok=[0, 1, 128], kill=k)
        yield 3, lambda k: self.run('redo', ok=[0, 1, 128], kill=k)
        yield 2, lambda k: self.run('restore', '-f', '.', ok=[0, 128], kill=k)
        yield 2, lambda k: self.run('restore', '--staged', '.', ok=[0, 128], kill=k)
        yield 1, lambda k: self.run('rm', r.choice(['-f', '--cached']), some_path, ok=[0, 128], kill=k)
        yield 1, lambda k: self.run('merge', '--ff-only', r.choice(self.branches() or ['main']), ok=[0, 128], kill=k)
        yield 1, lambda k: self.run('branch', '-D', f'b{r.randrange(8)}', ok=[0, 1, 128], kill=k)

    def commit(self, kill):
        all_of_it = self.random.random() < 0.5
        before, files = self.head(), self.worktree()
        index = {path: self.snapshot(id, path) for path, id in self.index().items()}
        code, _ = self.run('commit', '-qam' if all_of_it else '-qm', str(len(self.steps)), ok=[0, 1, 128], kill=kill)
        after = self.head()
        if code == 0 or after != before:
            if after == before:
                raise Wrong('an acknowledged commit did not move HEAD')
            wanted = {path: files[path] for path in index if path in files} if all_of_it else index
            self.kept[after] = wanted

    def stash(self, kill):
        base, files, tracked = self.head(), self.worktree(), self.index()
        untracked = self.random.random() < 0.5
        code, output = self.run('stash', 'push', *(['-u'] if untracked else []), ok=[0, 128], kill=kill)
        if code == 0 and 'No local changes' not in output:
            top = self.ask('rev-parse', 'refs/stash').strip()
            self.kept[top] = {path: files[path] for path in tracked if path in files}
            if untracked and any(path not in tracked for path in files):
                self.kept[top + '^3'] = {path: d for path, d in files.items() if path not in tracked}
        assert base or code != 0

    # -- what has to hold

    def check_status(self):
        head = self.head()
        base = {path: self.snapshot(id, path) for path, id in self.tree(head).items()} if head else {}
        index = {path: self.snapshot(id, path) for path, id in self.index().items()}
        files = self.worktree()
        said = {}
        for line in self.ask('status', '--porcelain', '-uall').splitlines():
            said[line[3:].split(' -> ')[-1]] = line[:2]
            if ' -> ' in line:
                said[line[3:].split(' -> ')[0]] = 'D '
        for path in FILES:
            h, i, w = base.get(path), index.get(path), files.get(path)
            if i is None:
                wanted = ('D' if h else '') and 'D '
                if w is not None:
                    # A file taken out of the index is both gone and untracked; one line of the two is remembered.
                    if said.get(path) not in ('??', 'D '):
                        raise Wrong(f'status says {said.get(path)!r} of the untracked {path}')
                    continue
            else:
                # An unstaged deletion of a staged file and so on: each letter by itself.
                x = ' ' if h == i else ('A' if h is None else 'M')
                y = ' ' if w == i else ('D' if w is None else 'M')
                wanted = (x + y).strip() and x + y
            got = said.get(path, '')
            if got.replace('T', 'M').replace('R', 'A') != wanted:
                raise Wrong(f'status says {got!r} of {path}, the truth is {wanted!r}')

    def check_kept(self):
        for id, files in self.kept.items():
            for path, digest in files.items():
                found = self.exported(f'{id}:{path}')
                if found != digest:
                    raise Wrong(f'{id}:{path} has other rows than when it was made')
            if sorted(self.tree(id)) != sorted(files):
                raise Wrong(f'{id} has the files {sorted(self.tree(id))} instead of {sorted(files)}')

    def check_worktree_is_kept(self, before, forced):
        """What a command overwrote must be stored, or was a stored state: nothing that was there is nowhere."""
        gone = {path: d for path, d in before.items() if rows(self.top / path) != d}
        for path, digest in gone.items():
            if digest in self.digests.values():
                continue
            saved = self.top / '.graft/logs/saved'
            lines = [line.split(' ', 2) for line in saved.read_text().splitlines()] if saved.exists() else []
            ids = [id for _, id, name in lines if name == path]
            if not any(self.snapshot(id, path) == digest for id in reversed(ids)):
                stash = self.ask('stash', 'list')
                if not (stash and self.found_in_stash(path, digest)):
                    raise Wrong(f'what {path} held before {forced} is nowhere')

    def found_in_stash(self, path, digest):
        for id, files in self.kept.items():
            if files.get(path) == digest:
                return True
        return any(self.snapshot(id, path) == digest
                   for n in range(len(self.ask('stash', 'list').splitlines()))
                   for parent in ('', '^3')
                   if (id := self.tree_or_nothing(f'stash@{{{n}}}{parent}').get(path)))

    def tree_or_nothing(self, rev):
        try:
            return self.tree(rev)
        except Wrong:
            return {}

    def step(self):
        r = self.random
        if r.random() < 0.35:
            self.write()
            return
        if r.random() < 0.04:
            self.remove()
            return
        # What the index has is stored: remember what it looks like.
        for path, id in self.index().items():
            self.snapshot(id, path)
        before = self.worktree()
        weights, runs = zip(*self.commands())
        command = r.choices(runs, weights)[0]
        command(r.random() < 0.15)
        self.check_status()
        self.check_worktree_is_kept(before, self.steps[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('graft')
    parser.add_argument('--seeds', type=int, default=1)
    parser.add_argument('--first', type=int, default=1)
    parser.add_argument('--steps', type=int, default=500)
    args = parser.parse_args()
    graft = str(Path(args.graft).resolve())
    for seed in range(args.first, args.first + args.seeds):
        folder = tempfile.mkdtemp(prefix='graft-model-')
        world = World(graft, seed, folder)
        try:
            world.run('init', '-q', '-b', 'main', ok=[0])
            for n in range(args.steps):
                world.step()
                if n % 50 == 49:
                    world.ask('fsck')
            world.ask('fsck')
            world.check_kept()
        except Wrong as wrong:
            tail = '\n  '.join(world.steps[-12:])
            print(f'seed {seed}, step {len(world.steps)}: {wrong}\nthe last steps, in {folder}:\n  {tail}')
            sys.exit(1)
        shutil.rmtree(folder)
        killed = sum(step.startswith('kill ') for step in world.steps)
        print(f'seed {seed}: {args.steps} steps, {killed} commands killed at random, {len(world.kept)} states kept', flush=True)


if __name__ == '__main__':
    main()
