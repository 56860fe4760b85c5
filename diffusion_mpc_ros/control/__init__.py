"""PD commands and the mode state machine: what may reach the motors."""
