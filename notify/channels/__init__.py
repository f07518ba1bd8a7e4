"""One small module per channel, all with one shape."""
