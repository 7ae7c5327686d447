#!/usr/bin/env python3
"""Compares `graft diff` with the oracle of generate.py on many databases and random changes.

    oracle.py GRAFT [--corpus DIR] [--seeds 20] [--only NAME,NAME] [--shell] [--verbose]

For every database of the corpus and of the generators, and for every seed with a growing number of changes:
the lines of --json equal `generate.py diff` in each identity mode; the script of --sql, read as the shell of SQLite
reads it, by executescript, from a file opened as text, and by `graft apply`, gives a database with the hash of the changed one, and so does --changeset where the change is one of
rows that a changeset can hold. Prints one line per database and ends with 1 if anything differs.
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(HERE, '..', 'fixtures'))
import generate as g  # noqa: E402
import readers  # noqa: E402

MODES = {'auto': 'auto', 'pk': 'bag', 'rowid': 'rowid'}
PAIRS = [('mendeleev-0.18.1.db', 'mendeleev-0.20.1.db'), ('mendeleev-0.20.1.db', 'mendeleev-1.0.0.db'),
         ('gnucash-invoices-1.gnucash', 'gnucash-invoices-2.gnucash')]


# What SQLite says where it lacks what only the application has.
LACKS = re.compile('no such (collation|function|module|tokenizer)|user-defined function')


class Checker:
    def __init__(self, graft, folder, with_shell=False):
        self.graft, self.folder, self.counts = graft, folder, {}
        self.readers = ['executescript', 'text', 'shell'] + ['sqlite3'] * with_shell

    def count(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1

    def run(self, *args, ok=(0, 1), stdin=None):
        done = subprocess.run([self.graft, *args], cwd=self.folder, capture_output=True, input=stdin)
        if done.returncode not in ok:
            raise AssertionError(f"graft {' '.join(args)}: exit {done.returncode}: {done.stderr.decode()}")
        return done

    def path(self, name):
        return os.path.join(self.folder, name)

    # ---- rows against the oracle

    def rows(self, a, b, mode):
        want = json.loads(g.oracle_diff(a, b, mode))
        got = self.lines(a, b, MODES[mode])
        self.counted(a, b, MODES[mode], got)
        for table in want['tables']:
            rows = got['tables'].pop(table['name'], None)
            kinds = ('inserts', 'deletes', 'updates')
            if rows is None:
                rows = {kind: [] for kind in kinds}
            for kind in kinds:
                expected = sorted(canonical(r) for r in table[kind])
                found = sorted(canonical(r) for r in rows[kind])
                if expected != found:
                    raise AssertionError(f"{mode}: {kind} of {table['name']} differ:\n  oracle {expected[:3]}\n  graft  {found[:3]}")
        if got['tables']:
            raise AssertionError(f"{mode}: the oracle sees no change in {list(got['tables'])}")
        schema = sorted((s['type'], s['name'], s['change']) for s in want['schema'])
        if schema != sorted(got['schema']):
            raise AssertionError(f"{mode}: schema differs: {schema} {got['schema']}")
        self.count(f'diff {mode}')

    def counted(self, a, b, identity, got):
        """Checks the sums of --stat, which reads hardly any row."""
        text = self.run('diff', '--no-index', '--stat', '--identity', identity, a, b).stdout.decode().strip()
        sums = re.search(r' changed, .*\Z', text)
        said = {what: int(n) for n, what in re.findall(r'(\d+) (inserted|deleted|updated)', sums[0] if sums else '')}
        rows = {'inserted': 0, 'deleted': 0, 'updated': 0}
        for table in got['tables'].values():
            for kind in ('inserts', 'deletes', 'updates'):
                what = {'inserts': 'inserted', 'deletes': 'deleted', 'updates': 'updated'}[kind]
                rows[what] += sum(row.get('n', 1) for row in table[kind])
        if {k: v for k, v in rows.items() if v} != said:
            raise AssertionError(f'{identity}: --stat says {said}, the rows are {rows}')

    def lines(self, a, b, identity):
        done = self.run('diff', '--no-index', '--json', '--identity', identity, a, b)
        tables, schema, columns = {}, [], {}
        for line in done.stdout.splitlines():
            line = json.loads(line)
            if line['type'] == 'schema':
                change = 'added' if line['old_sql'] is None else 'removed' if line['new_sql'] is None else 'changed'
                schema.append((line['kind'], line['name'], change))
            elif line['type'] == 'table':
                columns[line['table']] = line
                tables[line['table']] = {'inserts': [], 'deletes': [], 'updates': []}
            elif line['type'] == 'row':
                head, rows = columns[line['table']], tables[line['table']]
                key = [cell(v) for v in line['key'].values()]
                if line['op'] == 'update':
                    cells = []
                    for name, new in line['new'].items():
                        old = cell(line['old'][name]) if name in line['old'] else {'absent': True}
                        cells.append([name, old, cell(new)])
                    rows['updates'].append({'key': key, 'cells': sorted(cells, key=str)})
                else:
                    values = [cell(v) for v in (line.get('new') or line.get('old')).values()]
                    kind = 'inserts' if line['op'] == 'insert' else 'deletes'
                    if head['identity'] == 'bag':
                        rows[kind].append({'row': values, 'n': line.get('count', 1)})
                    else:
                        rows[kind].append({'key': key, 'row': values})
        return {'tables': tables, 'schema': schema}

    # ---- scripts and changesets

    def applied(self, a, b):
        want = g.logical_hash(b)
        script = self.run('diff', '--no-index', '--sql', a, b).stdout
        copy = self.path('applied.db')
        if script:
            for reader in self.readers:
                fresh(a, copy)
                errors = readers.READERS[reader](copy, script, g.connect)
                if errors and reader == 'sqlite3' and LACKS.search(errors[0]):
                    self.count('sqlite3 refused: needs what only the application has')
                    continue
                if errors:
                    raise AssertionError(f'--sql, read by {reader}: {errors[:3]}')
                self.same(copy, want, f'--sql, read by {reader}', b)
        fresh(a, copy)
        if script:
            done = self.run('apply', '-', copy, stdin=script, ok=(0, 1, 128))
            if b'--no-verify' in done.stderr:
                # The new state itself violates its foreign keys or CHECKs.
                self.count('apply refused: constraints')
                done = self.run('apply', '--no-verify', '-', copy, stdin=script, ok=(0, 1, 128))
            if done.returncode:
                text = done.stderr.decode()
                if LACKS.search(text):
                    self.count('apply refused: needs what only the application has')
                    return
                raise AssertionError(f'graft apply: {text}')
            self.same(copy, want, 'graft apply', b)
        changes = self.path('changes.bin')
        done = self.run('diff', '--no-index', '--changeset', changes, a, b, ok=(0, 1, 128))
        if done.returncode == 128:
            self.count('changeset refused')
            return
        fresh(a, copy)
        done = self.run('apply', '--no-verify', changes, copy, ok=(0, 1, 128))
        if done.returncode:
            text = done.stderr.decode()
            if LACKS.search(text):
                self.count('apply refused: needs what only the application has')
                return
            raise AssertionError(f'graft apply of a changeset: {text}')
        self.same(copy, want, '--changeset', b, rows_only=True)

    def same(self, copy, want, how, b, rows_only=False):
        have = g.logical_hash(copy)
        parts = ['tables'] if rows_only else ['tables', 'schema', 'sequence', 'pragmas']
        for part in parts:
            if have[part] != want[part]:
                names = part
                if part == 'tables':
                    names = [n for n in {**have[part], **want[part]} if have[part].get(n) != want[part].get(n)]
                shutil.copy(copy, self.path('wrong.db'))
                raise AssertionError(f'{how} gives another database: {part}: {names}\n  have {str(have[part])[:300]}\n  want {str(want[part])[:300]}')
        check = g.connect(copy)
        try:
            result = check.execute('PRAGMA integrity_check').fetchone()[0]
        except Exception as e:  # a collation of the application's
            result = 'ok' if 'no such' in str(e) else str(e)
        if result != 'ok':
            raise AssertionError(f'{how}: integrity_check says {result}')
        self.count(how)

    def check(self, a, b):
        for mode in MODES:
            self.rows(a, b, mode)
        self.applied(a, b)


def cell(v):
    """A cell as the oracle writes it."""
    import base64
    import hashlib
    import struct
    if isinstance(v, float):
        return {'real': struct.pack('>d', v).hex()}
    if isinstance(v, dict):
        (kind, text), = v.items()
        if kind == '$real':
            return {'real': struct.pack('>d', float(text.replace('Infinity', 'inf'))).hex()}
        data = base64.b64decode(text)
        kind = {'$blob': 'blob', '$text': 'text'}[kind]
        if len(data) > g.INLINE_LIMIT:
            return {kind + '_sha256': hashlib.sha256(data).hexdigest(), 'bytes': len(data)}
        return {kind: data.hex()}
    if isinstance(v, str):
        data = v.encode()
        if len(data) > g.INLINE_LIMIT:
            return {'text_sha256': hashlib.sha256(data).hexdigest(), 'bytes': len(data)}
    return v


def canonical(row):
    row = dict(row)
    if 'cells' in row:
        row['cells'] = sorted(([c['column'], c.get('old'), c.get('new')] if isinstance(c, dict) else c for c in row['cells']), key=str)
    return json.dumps(row, sort_keys=True)


def fresh(src, dst):
    for end in ('', '-wal', '-shm', '-journal'):
        if os.path.exists(dst + end):
            os.remove(dst + end)
    g._copy_db(src, dst)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('graft')
    ap.add_argument('--corpus', default=os.path.join(HERE, '..', 'fixtures'))
    ap.add_argument('--seeds', type=int, default=20)
    ap.add_argument('--only')
    ap.add_argument('--verbose', action='store_true')
    ap.add_argument('--shell', action='store_true', help="also read the scripts with the program sqlite3")
    args = ap.parse_args()
    graft = os.path.abspath(args.graft)
    started, bad = time.time(), 0
    with tempfile.TemporaryDirectory() as folder:
        checker = Checker(graft, folder, args.shell)
        made = os.path.join(folder, 'made')
        os.mkdir(made)
        sources = [(n, os.path.join(args.corpus, n)) for n in sorted(os.listdir(args.corpus))
                   if n.rsplit('.', 1)[-1] in ('db', 'sqlite', 'gnucash', 'anki2', 'gpkg')]
        for name in sorted(g.GENERATORS):
            if g.INFO[name]['invalid'] or g.INFO[name]['huge'] or not all(g.has(f) for f in g.INFO[name]['needs']):
                continue
            sources.append((name, None))
        jobs = [(f'{a} -> {b}', os.path.join(args.corpus, a), os.path.join(args.corpus, b)) for a, b in PAIRS]
        for what, a, b in jobs:
            if args.only and not any(o in what for o in args.only.split(',')):
                continue
            try:
                checker.check(a, b)
                checker.check(b, a)
                print(f'ok    {what}')
            except AssertionError as e:
                bad += 1
                print(f'WRONG {what}: {e}')
        for name, path in sources:
            if args.only and not any(o in name for o in args.only.split(',')):
                continue
            if path is None:
                try:
                    path = g.GENERATORS[name](made, 1)
                except g._Skip if hasattr(g, '_Skip') else ():
                    continue
            wrong = 0
            for seed in range(1, args.seeds + 1):
                a, b = os.path.join(folder, 'a.db'), os.path.join(folder, 'b.db')
                fresh(path, a)
                fresh(path, b)
                n = 1 + seed * seed // 2
                try:
                    # Changes of the schema too, every other time: those no changeset can hold.
                    g.mutate(b, seed, n, schema=seed % 2 == 0)
                except Exception as e:
                    if args.verbose:
                        print(f'skip  {name} seed {seed}: {e}')
                    continue
                try:
                    checker.check(a, b)
                except AssertionError as e:
                    wrong += 1
                    bad += 1
                    print(f'WRONG {name} seed {seed} n {n}: {e}', flush=True)
                    if wrong == 3:
                        break
            if not wrong:
                print(f'ok    {name}', flush=True)
        print(f'{time.time() - started:.0f} s; {bad} wrong; ' + ', '.join(f'{v} × {k}' for k, v in sorted(checker.counts.items())))
    return bad > 0


if __name__ == '__main__':
    sys.exit(main())
