"""Traits that are declared in the yml of their topic and compiled to its model."""
