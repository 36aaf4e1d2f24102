"""Final trainings: of one network, in a folder, resumable, to a model that loads by itself."""
