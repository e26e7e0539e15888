"""What happens to a network as data: what is frozen, what is cut and changed."""
