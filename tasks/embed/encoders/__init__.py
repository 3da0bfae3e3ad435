"""Encoders: what turns texts into vectors, one file a kind and a line each in `kinds`."""

CODE_VERSION = 1
"""Stands for the code of this package in keys: raised with a kind's `code_version`."""
