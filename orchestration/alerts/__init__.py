"""Alerts: people are told once when a sync changes its state, and once when it is well.

What was told is a fact in `raw/alerts`, so a restart tells nothing twice.
"""
