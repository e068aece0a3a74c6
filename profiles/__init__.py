"""The read side of Kith: the published database and the Profile API."""
