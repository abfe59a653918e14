"""The search for accuracy: sums that cancel are found by sampling, and computed in another way where that is measured
to be better."""
