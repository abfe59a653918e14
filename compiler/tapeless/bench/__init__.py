"""`tapeless bench`: what a formula costs, beside the bandwidth of memory and other ways to the same numbers."""
