"""From nothing to a model artefact: demonstrator, collection, pretraining, export."""
