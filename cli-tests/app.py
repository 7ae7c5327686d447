"""An application that keeps its database open: one JSON request per line in, one JSON answer per line out.

    app.py DB [TIMEOUT_SECONDS]
A request is {"sql": "...", "step": bool}; the answer {"rows": [...]} or {"error": "..."}. Blobs are shown as hex.
"""
import json
import sqlite3
import sys


def cell(value):
    return {'blob': value.hex()} if isinstance(value, bytes) else value


def main(path, timeout='0'):
    connection = sqlite3.connect(path, timeout=float(timeout), isolation_level=None)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request.get('step'):
                # A cursor left in the middle of its result: the read transaction stays open.
                cursor = connection.execute(request['sql'])
                answer = {'rows': [[cell(v) for v in cursor.fetchone()]]}
            else:
                answer = {'rows': [[cell(v) for v in row] for row in connection.execute(request['sql'])]}
        except sqlite3.Error as error:
            answer = {'error': str(error)}
        print(json.dumps(answer), flush=True)


main(*sys.argv[1:])
