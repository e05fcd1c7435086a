"""Runs one of Swift's servers with a swift.conf of its own, in the place of the machine's one.

The first word is the folder that swift.conf is in; what comes after it is the server and its words.
"""

import runpy
import sys

from swift.common import utils

# Before anything else is imported: limits are read from that file where modules begin.
utils.set_swift_dir(sys.argv[1])
del sys.argv[:2]
runpy.run_path(sys.argv[0], run_name="__main__")
