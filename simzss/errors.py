"""The one exception a person is meant to read.

Whatever goes wrong because of what was asked for (a missing file, an unknown name, settings that do not fit together)
is raised as :class:`UserError`, whose message is one line that names the thing and the remedy. The command line prints
that line and exits with code 2; a library user catches one type. Anything else that escapes is a defect of ours and
keeps its traceback.
"""


class UserError(Exception):
    """Bad input, told in one line: what is wrong with which thing, and what to do about it."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))
