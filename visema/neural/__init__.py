"""The published networks in the product: their weights, the machine they run on, and how they are made to run fast."""
