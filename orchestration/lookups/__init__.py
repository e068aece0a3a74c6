"""Lookups: events with what the warehouse knows of the things that they name."""
