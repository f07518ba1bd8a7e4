"""The doors of the API, one module an idea."""
