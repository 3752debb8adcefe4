"""Writes many entries from several threads at once: one of the processes of `test_writers`.

Started as `python -m tests.audit.writers THREADS ENTRIES`, on the database that DATABASE_URL names.
"""

from __future__ import annotations

import os
import sys
import threading


def main(threads: int, entries: int) -> int:
    """Write from all threads at once; a writer that fails makes the process fail."""
    import django

    django.setup()
    from django.db import connection, transaction

    from audit.actions import record

    barrier = threading.Barrier(threads)
    errors: list[BaseException] = []

    def write(name: str) -> None:
        try:
            barrier.wait()
            for number in range(entries):
                with transaction.atomic():
                    record(action="change.requested", actor=name, target=f"CR-{number}", data={"n": number})
        except BaseException as error:
            errors.append(error)
            raise
        finally:
            connection.close()

    names = [f"{os.getpid()}-{index}" for index in range(threads)]
    running = [threading.Thread(target=write, args=[name]) for name in names]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
