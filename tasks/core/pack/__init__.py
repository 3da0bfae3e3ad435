"""Fitted objects as files that hold data alone: nothing stored can run code."""
