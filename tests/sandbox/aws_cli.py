"""The AWS CLI in one process that runs command after command, as its start takes a second or two each time.

Reads a JSON list of words for each command from standard input and answers its exit code and output as JSON.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys

from awscli.clidriver import create_clidriver


class Captured(io.StringIO):
    """The CLI writes text to standard output, and bytes to the buffer below it."""

    @property
    def buffer(self) -> Captured:  # type: ignore[override]
        return self

    def write(self, text: str | bytes) -> int:
        return super().write(text.decode() if isinstance(text, bytes) else text)


def main() -> None:
    answers = sys.stdout
    for line in sys.stdin:
        printed, said = Captured(), Captured()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(said):
            try:
                code = create_clidriver().main(json.loads(line))  # type: ignore[no-untyped-call]
            except SystemExit as ended:
                code = ended.code
        answers.write(json.dumps([code, printed.getvalue(), said.getvalue()]) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
