"""One module per role: each imports only what its process needs, so that a role starts, and comes back, quickly."""
