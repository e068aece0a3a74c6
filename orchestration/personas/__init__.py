"""Personas: made-up people, what happens to them, and what Kith has to know of them."""
