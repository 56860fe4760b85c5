"""The border to the robot: Unitree's DDS topics, their wire format and CRC. The only package that imports the SDK."""
