"""The embedding store: each distinct text's vector once, shared by runs and backfills."""

CODE_VERSION = 1
"""Stands for the code of this package in keys: it keeps vectors and changes none."""
