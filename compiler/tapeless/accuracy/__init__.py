"""The search for accuracy: sums that cancel are found by sampling, and computed in a way measured to be better."""
