"""Who walks B robots in the batch simulator, and how well: demonstrators, a planner in its loop, scores."""
