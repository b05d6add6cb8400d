"""Sets up this repository on a bare machine: `python3 tools/bootstrap.py [--quiet]`.

Only the version gate lives here, in syntax that old interpreters still parse: on Python 3.8 the reader gets one line
that says what to install, not a SyntaxError from somewhere inside.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036  (the very point of this file)
    _found = ".".join(str(part) for part in sys.version_info[:2])
    sys.exit("bootstrap: needs Python 3.11 or newer, this is " + _found + "; run: python3.11 tools/bootstrap.py")

from hub_tools.setup.main import main

if __name__ == "__main__":
    sys.exit(main())
