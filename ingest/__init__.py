"""Broker messages in, canonical readings in the reading log out."""
