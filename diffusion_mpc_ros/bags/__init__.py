"""Bags of the robot's topics: written and read as MCAP files without ROS, checked, and cut into episodes."""
