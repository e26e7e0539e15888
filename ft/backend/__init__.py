"""All that crosses from the hub to a wing: what a wing is, how one is found, what it tells."""
