"""Starts moto, one request at a time.

moto looks at `If-Match` and writes the object in two steps; with a thread for each request another one may write in between, and an
update is lost that S3 itself would have refused.
"""
import sys
import threading

from moto import server

run, turn = server.run_simple, threading.Lock()


def in_turn(app):
    def call(environ, start_response):
        with turn:
            return list(app(environ, start_response))

    return call


server.run_simple = lambda host, port, app, **more: run(host, port, in_turn(app), **more)
server.main(sys.argv[1:])
