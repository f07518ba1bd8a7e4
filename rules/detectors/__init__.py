"""Unsupervised detectors behind one small interface: what `op: anomaly` asks for a score between 0 and 1."""
