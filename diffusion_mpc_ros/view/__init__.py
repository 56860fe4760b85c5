"""What a person sees of the robot and may change: drawings, plots, sliders, stops. No middleware here.

``browser`` shows it by viser; ``nodes/view.py`` fills it from ROS topics, and draws the same for rviz.
"""
