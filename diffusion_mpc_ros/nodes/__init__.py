"""One thin ROS 2 node per executable; the only place where rclpy is imported."""
