"""Presentation: rows in, what a template needs out; pure."""
