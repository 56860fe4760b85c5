"""ROS messages from and to the dataclasses of the project, one module for each kind of message.

Messages of this project carry joints in the SDK's motor order, which is the project's own; nothing is reordered here.
Frames are those of REP 105; standard messages name their joints.
"""
