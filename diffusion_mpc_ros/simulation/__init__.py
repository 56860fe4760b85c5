"""The MuJoCo Go2: one robot behind DDS, and batches for training and evaluation."""
