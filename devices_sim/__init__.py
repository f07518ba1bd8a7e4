"""The world outside: products that send telemetry and break, and the people who live and work with them."""
