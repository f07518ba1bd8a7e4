"""HTTP: REST, provider webhooks, and the pages of four audiences."""
