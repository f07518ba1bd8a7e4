"""Tickets that need hands in; work orders, visits and offers to technicians, out."""
