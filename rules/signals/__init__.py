"""Derived values of devices, computed over whole batches."""
