"""What planners by rollouts share: searches, splines, scores of what robots did, the physics that is declared."""
