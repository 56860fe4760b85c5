"""Finetuning of the prior by interaction (arXiv 2510.04234, IV-C): roll out, weigh, learn, try, keep the best."""
