"""What holds for every test."""

from __future__ import annotations

import signal

# A suite that a shell started in the background ignores SIGINT, and so would every
# process that it starts; tests that interrupt one need it to mean what it says.
signal.signal(signal.SIGINT, signal.default_int_handler)
