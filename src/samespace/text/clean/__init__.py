"""Cleaning: from loaded markup to plain text and its structure."""

from samespace.text.clean.clean import clean

__all__ = ["clean"]
