"""The border to the Unitree SDK: LowState, LowCmd, CRC, DDS channels."""
