"""Remotes, on a folder: what pushes, fetches and clones cost, in time, memory, bytes and requests."""
import json
import os
import shutil
import subprocess

import database
from measure import ENVIRONMENT, median, middle, run, show_bytes, show_time
from table import Table

COMMITS = 1000
MEMORY = 128e6


def answer(args, folder):
    """The `--json` answer of a command."""
    done = subprocess.run([*args, '--json'], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def report(graft, original, work, rows):
    table = Table('A remote in a folder; %s database' % show_bytes(os.path.getsize(original)))
    large(graft, original, work, rows, table)
    table.show()
    table = Table('%s commits on a small database' % format(COMMITS, ','))
    many(graft, work, table)
    table.show()


def memory(table, seen):
    table.add('  memory at most', show_bytes(seen.rss), '', '', '< ' + show_bytes(MEMORY), seen.rss < MEMORY)


def large(graft, original, work, rows, table):
    one, two, hub = (os.path.join(work, name) for name in ('one', 'two', 'hub'))
    os.makedirs(one)
    path = os.path.join(one, 'big.db')
    shutil.copyfile(original, path)
    run([graft, 'init', '-b', 'main'], one)
    run([graft, 'add', 'big.db'], one)
    run([graft, 'commit', '-qm', 'first'], one)
    run([graft, 'remote', 'add', 'origin', hub], one)
    pushed = run([graft, 'push', '-q', '-u', 'origin', 'main'], one)
    table.add('push of all', show_time(pushed.seconds))
    memory(table, pushed)
    copy = os.path.join(work, 'copy.db')
    cp = median(5, lambda: os.path.exists(copy) and os.remove(copy), ['cp', original, copy])
    os.remove(copy)
    gone = lambda: shutil.rmtree(two, ignore_errors=True)
    cloned = median(3, gone, [graft, 'clone', '-q', hub, two])
    table.add('clone', show_time(cloned.seconds), 'cp ' + show_time(cp.seconds), '%.2f' % (cloned.seconds / cp.seconds),
              '<= 3 x cp', cloned.seconds <= 3 * cp.seconds)
    memory(table, cloned)
    bare = median(3, gone, [graft, 'clone', '-q', '--no-checkout', hub, two])
    table.add('  without writing the file', show_time(bare.seconds), 'cp ' + show_time(cp.seconds), '%.2f' % (bare.seconds / cp.seconds))

    run([graft, 'restore', '.'], two)
    database.change_three(path, 5, rows)
    run([graft, 'commit', '-qam', 'three'], one)
    said = answer([graft, 'push'], one)
    sent, requests = said['traffic']['sent'], said['traffic']['requests']
    table.add('push of 3 changed rows', '%d requests' % requests, '', '', '<= 6', requests <= 6)
    table.add('  bytes sent', show_bytes(sent), '', '', '<= 32 KB', sent <= 32768)
    said = answer([graft, 'fetch'], two)
    table.add('fetch of it', '%d requests' % said['traffic']['requests'], '', '', '<= 6', said['traffic']['requests'] <= 6)
    gone()

    lazy = answer([graft, 'clone', '--lazy', hub, two], work)['traffic']
    missing = answer([graft, 'hydrate', '-n'], two)['missing']
    query = run([graft, 'sql', '--at', 'HEAD', 'SELECT name FROM item WHERE id = %d' % (rows // 2)], two)
    came = lazy['received'] + missing - answer([graft, 'hydrate', '-n'], two)['missing']
    table.add('clone --lazy and a row by key', show_bytes(came), '', '', '<= 1 MB', came <= 1 << 20)
    table.add('  the query', show_time(query.seconds))
    for folder in (one, two, hub):
        shutil.rmtree(folder)


def many(graft, work, table):
    one, two, hub, whole = (os.path.join(work, name) for name in ('one', 'two', 'hub', 'whole'))
    os.makedirs(one)
    path = os.path.join(one, 'app.db')
    database.small(path)
    run([graft, 'init', '-b', 'main'], one)
    run([graft, 'remote', 'add', 'origin', hub], one)
    seen = []
    for at in range(COMMITS):
        database.change(path, 'UPDATE item SET n = ? WHERE id = ?', (at, at * 7919 % 500 + 1))
        run([graft, 'add', 'app.db'], one)
        run([graft, 'commit', '-qm', str(at)], one)
        seen.append(run([graft, 'push', '-q', 'origin', 'main'], one))
    first, last = middle(seen[:100]), middle(seen[-100:])
    table.add('push of one, median of the last 100', show_time(last.seconds), 'first 100: ' + show_time(first.seconds),
              '%.2f' % (last.seconds / first.seconds))
    all_at_once = run([graft, 'push', '-q', whole, 'main'], one)
    table.add('push of all at once', show_time(all_at_once.seconds))
    gone = lambda: shutil.rmtree(two, ignore_errors=True)
    for what, url in (('clone of what was pushed one by one', hub), ('clone of what was pushed at once', whole)):
        cloned = median(5, gone, [graft, 'clone', '-q', url, two])
        target = ('<= 3 x a push of all', cloned.seconds <= 3 * all_at_once.seconds) if url == hub else ('', None)
        table.add(what, show_time(cloned.seconds), 'push of all ' + show_time(all_at_once.seconds),
                  '%.2f' % (cloned.seconds / all_at_once.seconds), *target)
        memory(table, cloned)
    cut = median(5, gone, [graft, 'clone', '-q', '--depth', '1', hub, two])
    table.add('clone --depth 1', show_time(cut.seconds))
    for folder in (one, two, hub, whole):
        shutil.rmtree(folder)
