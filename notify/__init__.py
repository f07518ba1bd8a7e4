"""What should be said to whom, in; messages with proof of delivery, out."""
