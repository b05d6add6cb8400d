"""A simulated Mirakl operator: the seller API in memory, its states and limits, and fault switches."""
