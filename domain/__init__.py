"""The words that every step of the flow shares: standard library only, no input or output."""
