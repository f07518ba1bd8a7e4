"""Fault episodes, complaints and replies in; tickets and what they ask of others, out."""
