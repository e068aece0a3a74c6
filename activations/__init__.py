"""Reverse ETL: plans what a destination must be told, tells it, logs what happened."""
