"""Files that follow a sync: how they are written, and where they are kept."""
