"""Readings in, fault episodes out: the rule language, the engine, the back-test and the live loop."""
