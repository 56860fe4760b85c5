"""The planner protocol and the planners behind it."""
