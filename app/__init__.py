"""Settings in, wired processes out: the one page that shows the flow, and the command line."""
