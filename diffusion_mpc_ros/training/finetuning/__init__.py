"""Interactive finetuning of the diffusion prior (arXiv 2510.04234, IV-C): roll out, weigh, learn, try, keep the best."""
