"""What a recorded bag holds: checked, planned again, drawn."""
