"""Whether engines agree: the same raw facts built by each, and every table compared."""
