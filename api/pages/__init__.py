"""The pages of four audiences, rendered on the server."""
